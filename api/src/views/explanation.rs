//! Why a batch waits.

use flotilla_core::explain::Reason;
use flotilla_core::{BatchId, BatchState};
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

/// Why a batch has not ended.
#[derive(Serialize, ToSchema)]
pub(crate) struct Explanation {
    /// The batch.
    #[schema(value_type = String, format = "uuid")]
    batch_id: String,
    /// Where it stands.
    state: &'static str,
    /// What holds it back first. Empty where it has ended.
    reasons: Vec<ReasonView>,
}

/// Why some items of a batch have not ended.
#[derive(Serialize, ToSchema)]
#[schema(as = Reason)]
struct ReasonView {
    /// What kind of reason; the manual lists them.
    #[schema(example = "rate_limit")]
    code: &'static str,
    /// How many items it holds. One item may be held by several reasons.
    count: u32,
    /// The reason in words, with what would help.
    detail: String,
    /// When it ends by itself, where that is known.
    #[schema(value_type = Option<String>, format = DateTime)]
    until: Option<Timestamp>,
}

impl Explanation {
    pub(crate) fn new(batch: BatchId, state: BatchState, reasons: Vec<Reason>) -> Self {
        let view = |reason: Reason| ReasonView {
            code: reason.code.as_str(),
            count: reason.count,
            detail: reason.detail,
            until: reason.until,
        };
        Self {
            batch_id: batch.to_string(),
            state: state.as_str(),
            reasons: reasons.into_iter().map(view).collect(),
        }
    }
}

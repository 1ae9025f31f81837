//! The result of a batch.

use flotilla_core::Json;
use flotilla_core::result::{BatchResult, ErrorGroup, ResultSummary};
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use super::item::ErrorView;

/// What a finished batch amounts to.
#[derive(Serialize, ToSchema)]
#[schema(as = BatchResult)]
pub(crate) struct ResultView {
    /// The batch.
    #[schema(value_type = String, format = "uuid")]
    batch_id: String,
    /// 1, and one more each time that items of the finished batch ran again.
    revision: u32,
    /// From the start of the upload to the last item's end.
    total_time_ms: u64,
    /// Time that handlers took, over all items.
    avg_item_time_ms: f64,
    /// Succeeded items over all items, 0 to 1.
    success_rate: f64,
    /// The numbers behind it.
    result_summary: SummaryView,
    /// When it was written.
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    /// What became of the follow-up that it called for. Null where it called for none.
    on_complete: Option<FollowUpView>,
}

/// What became of a follow-up so far.
#[derive(Serialize, ToSchema)]
#[schema(as = FollowUp)]
pub(crate) struct FollowUpView {
    /// The batch that it is. Null until it was created.
    #[schema(value_type = Option<String>, format = "uuid")]
    pub(crate) batch_id: Option<String>,
    /// Where that batch stands; `pending` until it was created, `gone` where it was removed.
    #[schema(example = "completed")]
    pub(crate) state: &'static str,
    /// What its item answered.
    #[schema(value_type = Value)]
    pub(crate) output: Option<Json>,
    /// Why its item failed.
    pub(crate) error: Option<ErrorView>,
}

/// The numbers behind a result.
#[derive(Serialize, ToSchema)]
#[schema(as = ResultSummary)]
struct SummaryView {
    /// All items.
    total: u32,
    /// Items done.
    succeeded: u32,
    /// Items given up on.
    failed: u32,
    /// Items stopped by a person.
    cancelled: u32,
    /// Attempts over all items.
    attempts: u64,
    /// Half of the items took at most this long. Within 4 %.
    p50_ms: Option<f64>,
    /// 95 % of the items took at most this long.
    p95_ms: Option<f64>,
    /// 99 % of the items took at most this long.
    p99_ms: Option<f64>,
    /// Failures that mean the same, largest group first.
    errors: Vec<ErrorGroupView>,
}

/// Failures that mean the same.
#[derive(Serialize, ToSchema)]
#[schema(as = ErrorGroup)]
pub(crate) struct ErrorGroupView {
    /// The same for errors that differ only in numbers, ids and quoted values.
    fingerprint: String,
    /// How many items.
    count: u32,
    /// The message of one of them.
    sample: String,
}

/// How items of a batch failed so far.
#[derive(Serialize, ToSchema)]
pub(crate) struct ErrorList {
    /// How many items were given up on.
    pub(crate) failed: u32,
    /// Failures that mean the same, largest group first: at most 50, and the rest under `other`.
    pub(crate) errors: Vec<ErrorGroupView>,
}

impl ResultView {
    /// `result`, with what follows on it.
    pub(crate) fn new(result: BatchResult, on_complete: Option<FollowUpView>) -> Self {
        Self {
            on_complete,
            batch_id: result.batch_id.to_string(),
            revision: result.revision,
            total_time_ms: result.total_time_ms,
            avg_item_time_ms: result.avg_item_time_ms,
            success_rate: result.success_rate,
            result_summary: result.result_summary.into(),
            created_at: result.created_at,
        }
    }
}

impl From<ResultSummary> for SummaryView {
    fn from(summary: ResultSummary) -> Self {
        Self {
            total: summary.total,
            succeeded: summary.succeeded,
            failed: summary.failed,
            cancelled: summary.cancelled,
            attempts: summary.attempts,
            p50_ms: summary.p50_ms,
            p95_ms: summary.p95_ms,
            p99_ms: summary.p99_ms,
            errors: summary.errors.into_iter().map(ErrorGroupView::from).collect(),
        }
    }
}

impl From<ErrorGroup> for ErrorGroupView {
    fn from(group: ErrorGroup) -> Self {
        Self {
            fingerprint: group.fingerprint,
            count: group.count,
            sample: group.sample,
        }
    }
}

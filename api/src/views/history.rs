//! What was done to a batch.

use flotilla_core::command::BatchEvent;
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

/// Something that was done to a batch.
#[derive(Serialize, ToSchema)]
#[schema(as = BatchEvent)]
struct EventView {
    /// When.
    #[schema(value_type = String, format = DateTime)]
    at: Timestamp,
    /// By whom: as they call themselves, or `flotilla`.
    by: String,
    /// What: `seal`, `run`, `pause`, `resume`, `cancel`, `fail`, `change`, `delete`, `retry` or `end`.
    #[schema(example = "pause")]
    action: String,
    /// More about it, in words.
    detail: Option<String>,
}

/// What was done to a batch, oldest first.
#[derive(Serialize, ToSchema)]
pub(crate) struct BatchHistory {
    /// The latest thousand.
    history: Vec<EventView>,
}

impl From<Vec<BatchEvent>> for BatchHistory {
    fn from(events: Vec<BatchEvent>) -> Self {
        let view = |event: BatchEvent| EventView {
            at: event.at,
            by: event.by.to_string(),
            action: event.action,
            detail: event.detail,
        };
        Self {
            history: events.into_iter().map(view).collect(),
        }
    }
}

//! The parts of the API's answers that the commands show. Fields that are not listed are ignored, so that a newer
//! server can be asked too.

use std::collections::BTreeMap;

use flotilla_core::forecast::Eta;
use flotilla_core::item::ItemState;
use flotilla_core::result::{ErrorGroup, ResultSummary};
use flotilla_core::{BatchState, Counts};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// A batch.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct BatchView {
    pub(crate) id: String,
    #[serde(default)]
    pub(crate) space: String,
    pub(crate) name: Option<String>,
    pub(crate) job_type: String,
    pub(crate) state: BatchState,
    pub(crate) counts: Counts,
    pub(crate) percent: f64,
    pub(crate) rate_per_s: f64,
    pub(crate) eta: Option<Eta>,
    #[serde(default)]
    pub(crate) paused: Option<PausedView>,
    #[serde(default)]
    pub(crate) awaits_approval: bool,
    /// `auto`, `manual`, or a time.
    #[serde(default)]
    pub(crate) start: Option<String>,
    #[serde(default)]
    pub(crate) priority: i16,
    #[serde(default)]
    pub(crate) concurrency: Option<u32>,
    #[serde(default)]
    pub(crate) rate_limit_per_s: Option<f64>,
    #[serde(default)]
    pub(crate) max_attempts: Option<u16>,
    #[serde(default)]
    pub(crate) deadline: Option<String>,
    #[serde(default)]
    pub(crate) revision: Option<u32>,
    pub(crate) created_at: String,
    #[serde(default)]
    pub(crate) started_at: Option<String>,
    #[serde(default)]
    pub(crate) completed_at: Option<String>,
    #[serde(default)]
    pub(crate) expires_at: Option<String>,
    #[serde(default)]
    pub(crate) part_expires_at: BTreeMap<String, Option<String>>,
    #[serde(default)]
    pub(crate) expired: Vec<String>,
    #[serde(default)]
    pub(crate) archived: bool,
    #[serde(default)]
    pub(crate) on_complete: Option<OnCompleteView>,
    #[serde(default)]
    pub(crate) error: Option<String>,
}

/// A batch as an event tells of it: what moves.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct BatchEvent {
    pub(crate) id: String,
    pub(crate) state: BatchState,
    pub(crate) counts: Counts,
    pub(crate) percent: f64,
    pub(crate) rate_per_s: f64,
    pub(crate) eta: Option<Eta>,
    /// The higher, the newer.
    #[serde(default)]
    pub(crate) version: u64,
}

/// What follows on a batch.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct OnCompleteView {
    pub(crate) job_type: String,
    pub(crate) on: String,
}

/// A pause.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct PausedView {
    pub(crate) reason: String,
    pub(crate) by: String,
    pub(crate) at: String,
}

/// An item.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct ItemView {
    pub(crate) index: u32,
    pub(crate) custom_id: Option<String>,
    pub(crate) state: ItemState,
    pub(crate) attempts: u16,
    /// As the handler wrote it.
    pub(crate) output: Option<Box<RawValue>>,
    pub(crate) error: Option<Box<RawValue>>,
    pub(crate) duration_ms: Option<f64>,
}

/// A page of batches.
#[derive(Debug, Deserialize)]
pub(crate) struct BatchPage {
    pub(crate) batches: Vec<BatchView>,
    pub(crate) next_cursor: Option<String>,
}

/// A page of items, each as the API wrote it.
#[derive(Debug, Deserialize)]
pub(crate) struct ItemPage {
    pub(crate) items: Vec<Box<RawValue>>,
    pub(crate) next_cursor: Option<String>,
}

/// What a finished batch amounts to.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct ResultView {
    pub(crate) total_time_ms: u64,
    pub(crate) avg_item_time_ms: f64,
    pub(crate) success_rate: f64,
    pub(crate) result_summary: ResultSummary,
    #[serde(default)]
    pub(crate) on_complete: Option<FollowUpView>,
}

/// What became of a follow-up.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct FollowUpView {
    pub(crate) batch_id: Option<String>,
    pub(crate) state: String,
    pub(crate) output: Option<Box<RawValue>>,
    pub(crate) error: Option<Box<RawValue>>,
}

/// What [`retry`](crate::commands::retry) came to.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Retried {
    pub(crate) items: u32,
    pub(crate) batch: BatchView,
}

/// Errors of a batch.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct ErrorsView {
    pub(crate) errors: Vec<ErrorGroup>,
}

/// What was done to a batch.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct HistoryView {
    pub(crate) history: Vec<EventView>,
}

/// Something that was done to a batch.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct EventView {
    pub(crate) at: String,
    pub(crate) by: String,
    pub(crate) action: String,
    #[serde(default)]
    pub(crate) detail: Option<String>,
}

/// A batch, recounted.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct AuditView {
    pub(crate) adds_up: bool,
    pub(crate) rows: AuditedRows,
    pub(crate) findings: Vec<FindingView>,
}

/// What was counted.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct AuditedRows {
    pub(crate) items: u32,
    pub(crate) succeeded: u32,
    pub(crate) failed: u32,
    pub(crate) cancelled: u32,
}

/// What does not add up.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct FindingView {
    pub(crate) what: String,
    pub(crate) expected: u64,
    pub(crate) found: u64,
}

/// Why a batch waits.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct ExplainView {
    pub(crate) reasons: Vec<ReasonView>,
}

/// Something that a batch waits for.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct ReasonView {
    pub(crate) code: String,
    pub(crate) count: u32,
    pub(crate) detail: String,
    #[serde(default)]
    pub(crate) until: Option<String>,
}

/// The fleet.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct WorkersView {
    pub(crate) workers: Vec<WorkerView>,
}

/// A worker.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct WorkerView {
    pub(crate) id: String,
    pub(crate) pools: Vec<String>,
    pub(crate) concurrency: u32,
    pub(crate) running: u32,
    pub(crate) held: u32,
    #[serde(default)]
    pub(crate) draining: bool,
    #[serde(default)]
    pub(crate) told_to_drain: bool,
    /// Items of this space that it runs, not necessarily all.
    #[serde(default)]
    pub(crate) doing: Vec<DoingView>,
    pub(crate) started_at: String,
    pub(crate) version: String,
}

/// An item that a worker runs.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct DoingView {
    pub(crate) job_type: String,
}

/// A page of dead letters.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct DeadPage {
    pub(crate) dead_letters: Vec<DeadLetterView>,
    pub(crate) next_cursor: Option<String>,
}

/// An item that was given up on.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct DeadLetterView {
    pub(crate) batch_id: String,
    pub(crate) index: u32,
    #[serde(default)]
    pub(crate) custom_id: Option<String>,
    pub(crate) job_type: String,
    #[serde(default)]
    pub(crate) input: Option<Box<RawValue>>,
    pub(crate) error: ErrorView,
    pub(crate) fingerprint: String,
    pub(crate) attempts: u16,
    #[serde(default)]
    pub(crate) worker: Option<String>,
    pub(crate) dead_at: String,
    /// The attempts before the last one, where one letter was asked for.
    #[serde(default)]
    pub(crate) history: Vec<TriedView>,
}

/// An attempt that failed and was followed by another.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct TriedView {
    pub(crate) attempt: u16,
    pub(crate) error: ErrorView,
    pub(crate) started_at: String,
}

/// Why an item failed.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct ErrorView {
    pub(crate) kind: String,
    pub(crate) message: String,
}

/// Dead letters by error.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct DeadGroups {
    pub(crate) groups: Vec<DeadGroupView>,
}

/// Dead letters with the same error.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct DeadGroupView {
    pub(crate) fingerprint: String,
    pub(crate) count: u64,
    pub(crate) batches: u64,
    pub(crate) sample: String,
    pub(crate) first_at: String,
    pub(crate) last_at: String,
}

/// How many dead letters something was done to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Decided {
    pub(crate) items: u64,
    /// Batches that did not allow it.
    #[serde(default)]
    pub(crate) refused: Vec<RefusedView>,
    /// There are more than one request handles.
    #[serde(default)]
    pub(crate) more: bool,
}

/// A batch that did not allow it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RefusedView {
    pub(crate) batch_id: String,
    pub(crate) reason: String,
}

/// Items that were appended.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Appended {
    pub(crate) appended: u32,
    /// Items that were there already.
    #[serde(default)]
    pub(crate) deduplicated: u32,
    /// Items that are not valid, where those are left out.
    #[serde(default)]
    pub(crate) skipped: u32,
    pub(crate) total: u32,
}

/// What is wrong with an item of an upload.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct ItemError {
    pub(crate) item: Option<u64>,
    pub(crate) line: Option<u64>,
    /// Where in the item, as a JSON pointer.
    pub(crate) pointer: Option<String>,
    #[serde(default)]
    pub(crate) detail: String,
    pub(crate) expected: Option<serde_json::Value>,
}

/// What an upload would amount to.
#[derive(Debug, Deserialize)]
pub(crate) struct DryRun {
    pub(crate) items: u64,
    #[serde(default)]
    pub(crate) skipped: u64,
    pub(crate) bytes: u64,
    pub(crate) estimate: Option<Estimate>,
    /// The first item, as it would be stored.
    pub(crate) first: Option<Box<RawValue>>,
    #[serde(default)]
    pub(crate) errors: Vec<ItemError>,
    #[serde(default)]
    pub(crate) errors_total: Option<u64>,
}

/// How long a batch would take.
#[derive(Debug, Deserialize)]
pub(crate) struct Estimate {
    pub(crate) low_s: f64,
    pub(crate) high_s: f64,
    /// What that is known from.
    #[serde(default)]
    pub(crate) based_on: serde_json::Value,
}

//! What a finished batch amounts to.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::ids::BatchId;

/// The result of a batch: written once, in the transaction that stores its last outcome.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BatchResult {
    /// The batch.
    pub batch_id: BatchId,
    /// 1, and one more each time that failed items of the finished batch were run again.
    pub revision: u32,
    /// From the start of the upload to the last outcome.
    pub total_time_ms: u64,
    /// Time that handlers took, over all items.
    pub avg_item_time_ms: f64,
    /// Succeeded items over all items, 0 to 1. An empty batch has 1.
    pub success_rate: f64,
    /// The numbers behind it.
    pub result_summary: ResultSummary,
    /// When it was written.
    pub created_at: Timestamp,
}

/// The numbers behind a [`BatchResult`].
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ResultSummary {
    /// All items.
    pub total: u32,
    /// Items done.
    pub succeeded: u32,
    /// Items given up on.
    pub failed: u32,
    /// Items stopped by a person.
    pub cancelled: u32,
    /// Attempts over all items.
    pub attempts: u64,
    /// Half of the items took at most this long. Within 4 %. None ran: none.
    pub p50_ms: Option<f64>,
    /// 95 % of the items took at most this long.
    pub p95_ms: Option<f64>,
    /// 99 % of the items took at most this long.
    pub p99_ms: Option<f64>,
    /// Failures that mean the same, largest group first.
    pub errors: Vec<ErrorGroup>,
}

/// Failures that mean the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorGroup {
    /// See [`crate::fingerprint`].
    pub fingerprint: String,
    /// How many items.
    pub count: u32,
    /// The message of the first of them, in input order.
    pub sample: String,
}

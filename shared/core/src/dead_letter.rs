//! Items that were given up on, kept until somebody decides about them.

use jiff::Timestamp;

use crate::ids::{BatchId, ItemIndex, Space, WorkerId};
use crate::json::Json;
use crate::outcome::ItemError;

/// A failed item, with what a person needs to decide what becomes of it. Exists from the outcome on, in the same
/// transaction, until it is redriven or discarded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetter {
    /// The batch.
    pub batch: BatchId,
    /// The item.
    pub index: ItemIndex,
    /// The tenant.
    pub space: Space,
    /// The job type.
    pub job_type: String,
    /// The producer's own name for the item.
    pub custom_id: Option<String>,
    /// What it was submitted with.
    pub input: Json,
    /// Why it was given up on.
    pub error: ItemError,
    /// Equal for errors that mean the same.
    pub fingerprint: String,
    /// How often it was attempted.
    pub attempts: u16,
    /// Who ran it last; none where nobody lived to tell.
    pub worker: Option<WorkerId>,
    /// When its last attempt began.
    pub started_at: Timestamp,
    /// When it was given up on.
    pub dead_at: Timestamp,
}

/// Dead letters whose errors mean the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadGroup {
    /// What they have in common.
    pub fingerprint: String,
    /// How many there are.
    pub count: u64,
    /// In how many batches.
    pub batches: u64,
    /// The message of the latest of them.
    pub sample: String,
    /// When the first of them died.
    pub first_at: Timestamp,
    /// When the latest of them died.
    pub last_at: Timestamp,
}

/// Which dead letters of a space. What is not said does not matter.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DeadFilter {
    /// Of this batch.
    pub batch: Option<BatchId>,
    /// These items of it; says nothing without a batch.
    pub indices: Option<Vec<ItemIndex>>,
    /// Of this job type.
    pub job_type: Option<String>,
    /// With this error.
    pub fingerprint: Option<String>,
    /// After this one, in the order of the list: the last of the previous page.
    pub after: Option<(BatchId, ItemIndex)>,
}

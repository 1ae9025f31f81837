//! An attempt at an item, as it is told to the ledger.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::artifact::Artifact;
use crate::ids::{BatchId, ItemIndex, WorkerId};
use crate::message::Verdict;
use crate::outcome::ItemError;

/// What became of one attempt at one item. The same one may be told any number of times, in any order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// The batch.
    pub batch: BatchId,
    /// The item.
    pub index: ItemIndex,
    /// Which attempt it was, from 1.
    pub attempt: u16,
    /// How it went.
    pub verdict: Verdict,
    /// When it began.
    pub started_at: Timestamp,
    /// How long the handler took, in microseconds.
    pub duration_us: u64,
    /// Who ran it; none where nobody did.
    pub worker: Option<WorkerId>,
    /// Files that came of it, where it is done.
    pub artifacts: Vec<Artifact>,
}

/// An attempt that failed and was followed by another: kept so that a person can see what an item went through.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tried {
    /// The item.
    pub index: ItemIndex,
    /// Which attempt it was.
    pub attempt: u16,
    /// Why it failed.
    pub error: ItemError,
    /// When it began.
    pub started_at: Timestamp,
    /// How long it took, in microseconds.
    pub duration_us: u64,
    /// Who ran it; none where nobody did.
    pub worker: Option<WorkerId>,
}

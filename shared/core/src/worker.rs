//! What a worker says about itself.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::ids::{BatchId, Pool, WorkerId};

/// A worker's heartbeat: what it is and what it does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkerStatus {
    /// Which worker.
    pub id: WorkerId,
    /// The fleets that it belongs to.
    pub pools: Vec<Pool>,
    /// How many items it runs at once, at most.
    pub concurrency: u32,
    /// Items that it runs, by batch.
    pub running: Vec<Running>,
    /// Items that it has taken from the queue, running or not, and not reported yet.
    pub held: u32,
    /// When the process started.
    pub started_at: Timestamp,
    /// When it said this.
    pub seen_at: Timestamp,
    /// The version of Flotilla that it runs.
    pub version: String,
}

/// How many items of a batch a worker runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Running {
    /// The batch.
    pub batch: BatchId,
    /// How many of its items.
    pub items: u32,
}

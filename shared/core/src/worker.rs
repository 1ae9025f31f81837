//! What a worker says about itself.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::ids::{BatchId, ItemIndex, Pool, WorkerId};

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
    /// What it does: some of the items that it runs, the oldest first, at most [`MAX_DOING`].
    #[serde(default)]
    pub doing: Vec<Doing>,
    /// It finishes what it has, and takes nothing new.
    #[serde(default)]
    pub draining: bool,
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

/// Items that a heartbeat names at most.
pub const MAX_DOING: usize = 100;

/// An item that a worker runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Doing {
    /// The batch.
    pub batch: BatchId,
    /// The item.
    pub index: ItemIndex,
    /// Which attempt it is.
    pub attempt: u16,
    /// Its job type.
    pub job_type: String,
    /// Since when.
    pub since: Timestamp,
}

//! What dashboards read: the progress of a batch at one version.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::batch::{Batch, BatchState, Counts};
use crate::forecast::Eta;
use crate::ids::{BatchId, Space};

/// The progress of a batch: absolute values, never increments. A later version replaces an earlier one; the same
/// version may be written again with another `processing`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Snapshot {
    /// The batch.
    pub batch: BatchId,
    /// Its tenant.
    pub space: Space,
    /// Its name for people.
    pub name: Option<String>,
    /// Its job type.
    pub job_type: String,
    /// Where it stands.
    pub state: BatchState,
    /// Its items by state.
    pub counts: Counts,
    /// Share of settled items, 0 to 100.
    pub percent: f64,
    /// Items settled per second of late.
    pub rate_per_s: f64,
    /// When it will be done, where that can be said.
    pub eta: Option<Eta>,
    /// Grows when the batch gets tighter limits: workers give back what they hold of it from an earlier epoch and have
    /// not started.
    pub epoch: u32,
    /// The version of the store's counts that this shows.
    pub version: u64,
    /// When its upload began.
    pub created_at: Timestamp,
    /// When its first item was dispatched.
    pub started_at: Option<Timestamp>,
    /// When its last item got a terminal state.
    pub completed_at: Option<Timestamp>,
    /// When this was taken.
    pub updated_at: Timestamp,
}

impl Snapshot {
    /// The progress of `batch`, of which workers run `running` items.
    #[must_use]
    pub fn of(batch: &Batch, running: u32, now: Timestamp) -> Self {
        let mut counts = batch.counts;
        counts.mark_processing(running);
        Self {
            batch: batch.id,
            space: batch.space.clone(),
            name: batch.spec.name.clone(),
            job_type: batch.spec.job_type.clone(),
            state: batch.state,
            counts,
            percent: counts.percent(),
            rate_per_s: batch.rate_per_s,
            eta: batch.eta,
            epoch: batch.epoch,
            version: batch.version,
            created_at: batch.created_at,
            started_at: batch.started_at,
            completed_at: batch.completed_at,
            updated_at: now,
        }
    }

    /// The hint that is sent to whoever watches.
    #[must_use]
    pub fn event(&self) -> Event {
        Event {
            batch: self.batch,
            space: self.space.clone(),
            version: self.version,
            state: self.state,
            epoch: self.epoch,
            percent: self.percent,
        }
    }

    /// What workers need to know.
    #[must_use]
    pub fn steering(&self) -> Steering {
        Steering {
            state: self.state,
            epoch: self.epoch,
        }
    }
}

/// A hint that a batch changed. Hints may be lost or come twice: whoever gets one reads the snapshot.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// The batch.
    pub batch: BatchId,
    /// Its tenant.
    pub space: Space,
    /// The version that can now be read.
    pub version: u64,
    /// Its state at that version.
    pub state: BatchState,
    /// Its epoch at that version.
    #[serde(default)]
    pub epoch: u32,
    /// Share of settled items at that version.
    pub percent: f64,
}

/// What a worker needs to know of a batch before it starts an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Steering {
    /// Where it stands.
    pub state: BatchState,
    /// See [`Snapshot::epoch`].
    pub epoch: u32,
}

impl Steering {
    /// Of a batch that does not exist any more: what is left of it anywhere is not to be run, whatever its epoch.
    pub const GONE: Self = Self {
        state: BatchState::Cancelled,
        epoch: u32::MAX,
    };
}

impl Event {
    /// What workers need to know.
    #[must_use]
    pub fn steering(&self) -> Steering {
        Steering {
            state: self.state,
            epoch: self.epoch,
        }
    }
}

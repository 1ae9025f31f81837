//! The batch: what was asked for, where it stands.

mod counts;
mod name;
mod spec;
mod state;

use jiff::Timestamp;

pub use self::counts::Counts;
pub use self::name::{BatchName, Words};
pub use self::spec::{BatchSpec, FailureAction, FailureThreshold, Start};
pub use self::state::{BatchState, Forbidden, UnknownState};
use crate::command::Paused;
use crate::forecast::Eta;
use crate::ids::{BatchId, Space};
use crate::record::needs_archive;
use crate::result::ErrorGroup;
use crate::retention::Part;

/// A batch as it is read.
#[derive(Debug, Clone, PartialEq)]
pub struct Batch {
    /// Its id.
    pub id: BatchId,
    /// Its tenant.
    pub space: Space,
    /// What it is to do. Before it is sealed, the defaults.
    pub spec: BatchSpec,
    /// Where it stands.
    pub state: BatchState,
    /// Its pause, while it is paused.
    pub paused: Option<Paused>,
    /// Only its first items run until somebody has looked at them.
    pub awaits_approval: bool,
    /// See [`Snapshot::epoch`](crate::snapshot::Snapshot::epoch).
    pub epoch: u32,
    /// How many results it has: more than one where failed items ran again.
    pub revision: u32,
    /// Grows with every change of state or counts, but for items that are dispatched for the first time: a store need not
    /// say that those moved from pending to queued.
    pub version: u64,
    /// Its items by state. `processing` is 0 here: stores don't know it, see [`Counts::mark_processing`].
    pub counts: Counts,
    /// How much was sent with it and skipped: see [`SkippedItem`](crate::skipped::SkippedItem).
    pub skipped: u32,
    /// Items settled per second of late; over the whole run once it ended.
    pub rate_per_s: f64,
    /// When it will be done, where that can be said.
    pub eta: Option<Eta>,
    /// The longest input, in bytes: bounds how many items may be read at once.
    pub max_input_bytes: u32,
    /// When its upload began.
    pub created_at: Timestamp,
    /// When its first item was dispatched.
    pub started_at: Option<Timestamp>,
    /// When its last item got a terminal state.
    pub completed_at: Option<Timestamp>,
    /// What of it was removed because its time was over, or is being removed.
    pub expired: Vec<Part>,
    /// What of that is being removed at this moment.
    pub expiring: Vec<Part>,
    /// Of which of its results the last archive is; 0 where it has none.
    pub archived: u32,
    /// It is being removed: readers do not see it any more.
    pub deleted: bool,
    /// Why it failed as a whole.
    pub error: Option<String>,
    /// How its items failed so far: failures that mean the same, largest group first.
    pub errors: Vec<ErrorGroup>,
}

impl Batch {
    /// True where it must be archived before `part` of it goes.
    #[must_use]
    pub fn needs_archive(&self, part: Part) -> bool {
        needs_archive(self.spec.retention.archive, part, self.archived, self.revision)
    }
}

/// Which batches to list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BatchFilter {
    /// Only those in this state.
    pub state: Option<BatchState>,
    /// Only those older than this one: the last of the previous page.
    pub before: Option<BatchId>,
}

//! The batch: what was asked for, where it stands.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::ids::{BatchId, Pool, Space};
use crate::json::Json;
use crate::pace::Eta;

/// Where a batch stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BatchState {
    /// Items are still being uploaded; nothing is dispatched.
    Open,
    /// Sealed, and nothing dispatched yet.
    Pending,
    /// At least one item was dispatched.
    Processing,
    /// No item starts until it is resumed.
    Paused,
    /// No item starts any more; those that run are being stopped.
    Cancelling,
    /// Every item has a terminal state. Some may have failed.
    Completed,
    /// Ended before its items: its failure threshold was crossed, or it could not run.
    Failed,
    /// Ended by a person.
    Cancelled,
}

impl BatchState {
    /// Every state, in the order of a batch's life.
    pub const ALL: [Self; 8] = [
        Self::Open,
        Self::Pending,
        Self::Processing,
        Self::Paused,
        Self::Cancelling,
        Self::Completed,
        Self::Failed,
        Self::Cancelled,
    ];

    /// The name in the API, in both databases and in Redis.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Pending => "pending",
            Self::Processing => "processing",
            Self::Paused => "paused",
            Self::Cancelling => "cancelling",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }

    /// True once nothing more can happen to its items.
    #[must_use]
    pub fn is_final(self) -> bool {
        matches!(self, Self::Completed | Self::Failed | Self::Cancelled)
    }

    /// The upload is complete. An empty batch is done at once.
    ///
    /// # Errors
    /// Where the batch was sealed before.
    pub fn seal(self, total: u32) -> Result<Self, Forbidden> {
        match (self, total) {
            (Self::Open, 0) => Ok(Self::Completed),
            (Self::Open, _) => Ok(Self::Pending),
            _ => Err(Forbidden {
                state: self,
                action: "seal",
            }),
        }
    }

    /// Items of it were claimed for publishing.
    ///
    /// # Errors
    /// In a state that dispatches nothing.
    pub fn dispatch(self) -> Result<Self, Forbidden> {
        match self {
            Self::Pending | Self::Processing => Ok(Self::Processing),
            _ => Err(Forbidden {
                state: self,
                action: "dispatch",
            }),
        }
    }

    /// Its last item got a terminal state.
    ///
    /// # Errors
    /// Before it is sealed, and after it ended.
    pub fn finish(self) -> Result<Self, Forbidden> {
        match self {
            Self::Pending | Self::Processing | Self::Paused => Ok(Self::Completed),
            Self::Cancelling => Ok(Self::Cancelled),
            Self::Open | Self::Completed | Self::Failed | Self::Cancelled => Err(Forbidden {
                state: self,
                action: "finish",
            }),
        }
    }
}

impl fmt::Display for BatchState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for BatchState {
    type Err = UnknownState;
    fn from_str(text: &str) -> Result<Self, UnknownState> {
        Self::ALL
            .into_iter()
            .find(|state| state.as_str() == text)
            .ok_or_else(|| UnknownState(text.to_owned()))
    }
}

/// A state's name that does not exist.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown state {0:?}")]
pub struct UnknownState(pub String);

/// A transition that the state does not allow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a batch that is {state} can't {action}")]
pub struct Forbidden {
    /// The state that the batch is in.
    pub state: BatchState,
    /// What was attempted.
    pub action: &'static str,
}

/// How many items are in which state. They add up: `total` is the sum of the others.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// All items.
    pub total: u32,
    /// Not dispatched yet.
    pub pending: u32,
    /// Dispatched, and not known to be running.
    pub queued: u32,
    /// Running on a worker, as of the workers' last heartbeats.
    pub processing: u32,
    /// Failed an attempt; the next one is due later.
    pub retrying: u32,
    /// Something else will complete them by callback.
    pub waiting: u32,
    /// Done.
    pub succeeded: u32,
    /// Given up on.
    pub failed: u32,
    /// Stopped by a person.
    pub cancelled: u32,
}

impl Counts {
    /// Items with a terminal state.
    #[must_use]
    pub fn settled(&self) -> u32 {
        self.succeeded + self.failed + self.cancelled
    }

    /// Share of items with a terminal state, 0 to 100, rounded down to a tenth so that 100 means all. An empty batch
    /// is at 100.
    #[must_use]
    pub fn percent(&self) -> f64 {
        if self.total == 0 {
            return 100.0;
        }
        (f64::from(self.settled()) * 1000.0 / f64::from(self.total)).floor() / 10.0
    }

    /// Moves up to `running` items from queued to processing. The store can't tell the two apart, the workers'
    /// heartbeats can.
    pub fn mark_processing(&mut self, running: u32) {
        let dispatched = self.queued + self.processing;
        self.processing = running.min(dispatched);
        self.queued = dispatched - self.processing;
    }
}

/// What a batch is to do: fixed when it is sealed.
#[derive(Debug, Clone, PartialEq)]
pub struct BatchSpec {
    /// A name for people.
    pub name: Option<String>,
    /// Which job type handles its items.
    pub job_type: String,
    /// Which fleet works on it.
    pub pool: Pool,
    /// Batches of a space with a higher one go first. -100 to 100.
    pub priority: i16,
    /// The most items in flight at once, over the whole fleet.
    pub concurrency: Option<u32>,
    /// How often an item is attempted.
    pub max_attempts: u16,
    /// The most time that one attempt may take.
    pub timeout: Duration,
    /// Anything the producer wants to find again: a JSON object.
    pub metadata: Option<Json>,
    /// The W3C trace context of the request that created it: items continue this trace.
    pub traceparent: Option<String>,
}

impl Default for BatchSpec {
    /// What an open batch reads as: nothing is decided before it is sealed.
    fn default() -> Self {
        Self {
            name: None,
            job_type: String::new(),
            pool: Pool::default(),
            priority: 0,
            concurrency: None,
            max_attempts: 1,
            timeout: Duration::from_secs(300),
            metadata: None,
            traceparent: None,
        }
    }
}

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
    /// Grows by one with every change of state or counts.
    pub version: u64,
    /// Its items by state. `processing` is 0 here: stores don't know it, see [`Counts::mark_processing`].
    pub counts: Counts,
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
    /// Why it failed as a whole.
    pub error: Option<String>,
}

/// Which batches to list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BatchFilter {
    /// Only those in this state.
    pub state: Option<BatchState>,
    /// Only those older than this one: the last of the previous page.
    pub before: Option<BatchId>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_states_read_back() {
        for state in BatchState::ALL {
            assert_eq!(state.as_str().parse(), Ok(state));
            assert_eq!(serde_json::to_value(state).unwrap(), state.as_str());
        }
    }

    #[test]
    fn a_batch_is_sealed_once_and_finishes_once() {
        assert_eq!(BatchState::Open.seal(0), Ok(BatchState::Completed));
        assert_eq!(BatchState::Open.seal(3), Ok(BatchState::Pending));
        for state in BatchState::ALL.into_iter().filter(|s| *s != BatchState::Open) {
            assert!(state.seal(1).is_err());
        }
        for state in BatchState::ALL.into_iter().filter(|s| s.is_final()) {
            assert!(state.finish().is_err() && state.dispatch().is_err());
        }
    }

    #[test]
    fn percent_reaches_100_only_when_all_are_settled() {
        let counts = Counts {
            total: 100_000,
            succeeded: 99_999,
            queued: 1,
            ..Counts::default()
        };
        assert!((counts.percent() - 99.9).abs() < 1e-9);
        assert!((Counts::default().percent() - 100.0).abs() < 1e-9);
    }
}

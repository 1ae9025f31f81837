//! Where a batch stands, and which way it may go from there.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

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
    /// No item starts any more; those that run are being stopped. It ends as cancelled, or as failed where it was
    /// halted because of an error.
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

    /// True once nothing of it starts any more, but for what a person asks for later.
    #[must_use]
    pub fn is_halted(self) -> bool {
        self.is_final() || self == Self::Cancelling
    }

    /// The upload is complete. An empty batch is done at once.
    ///
    /// # Errors
    /// Where the batch was sealed before.
    pub fn seal(self, total: u32) -> Result<Self, Forbidden> {
        match (self, total) {
            (Self::Open, 0) => Ok(Self::Completed),
            (Self::Open, _) => Ok(Self::Pending),
            _ => Err(self.forbids("be sealed")),
        }
    }

    /// Items of it were claimed for publishing.
    ///
    /// # Errors
    /// In a state that dispatches nothing.
    pub fn dispatch(self) -> Result<Self, Forbidden> {
        match self {
            Self::Pending | Self::Processing => Ok(Self::Processing),
            _ => Err(self.forbids("dispatch items")),
        }
    }

    /// No item starts any more, for now.
    ///
    /// # Errors
    /// Before it is sealed, while it is paused, and once it is halted.
    pub fn pause(self) -> Result<Self, Forbidden> {
        match self {
            Self::Pending | Self::Processing => Ok(Self::Paused),
            _ => Err(self.forbids("be paused")),
        }
    }

    /// Items start again. `started` says whether any was dispatched before.
    ///
    /// # Errors
    /// Where it is not paused.
    pub fn resume(self, started: bool) -> Result<Self, Forbidden> {
        match self {
            Self::Paused if started => Ok(Self::Processing),
            Self::Paused => Ok(Self::Pending),
            _ => Err(self.forbids("be resumed")),
        }
    }

    /// No item starts any more, for good.
    ///
    /// # Errors
    /// Where it is halted already.
    pub fn halt(self) -> Result<Self, Forbidden> {
        if self.is_halted() {
            Err(self.forbids("be cancelled"))
        } else {
            Ok(Self::Cancelling)
        }
    }

    /// Its last item got a terminal state. `failed` says whether it was halted because the batch failed.
    ///
    /// # Errors
    /// Before it is sealed, and after it ended.
    pub fn finish(self, failed: bool) -> Result<Self, Forbidden> {
        match self {
            Self::Pending | Self::Processing | Self::Paused => Ok(Self::Completed),
            Self::Cancelling if failed => Ok(Self::Failed),
            Self::Cancelling => Ok(Self::Cancelled),
            Self::Open | Self::Completed | Self::Failed | Self::Cancelled => Err(self.forbids("end")),
        }
    }

    /// Items of it that ended are to run again.
    ///
    /// # Errors
    /// Before it is sealed, and while it is being cancelled.
    pub fn reopen(self) -> Result<Self, Forbidden> {
        match self {
            Self::Completed | Self::Failed | Self::Cancelled => Ok(Self::Processing),
            Self::Pending | Self::Processing | Self::Paused => Ok(self),
            Self::Open | Self::Cancelling => Err(self.forbids("be retried")),
        }
    }

    /// The error of an action that this state does not allow: what a batch can't do, in words.
    #[must_use]
    pub fn forbids(self, action: &'static str) -> Forbidden {
        Forbidden { state: self, action }
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
    /// What was attempted, after "can't".
    pub action: &'static str,
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
            assert!(state.finish(false).is_err() && state.dispatch().is_err());
            assert!(state.pause().is_err() && state.resume(true).is_err());
        }
    }

    #[test]
    fn what_is_paused_goes_on_where_it_was() {
        assert_eq!(BatchState::Pending.pause(), Ok(BatchState::Paused));
        assert_eq!(BatchState::Paused.resume(false), Ok(BatchState::Pending));
        assert_eq!(BatchState::Paused.resume(true), Ok(BatchState::Processing));
        assert_eq!(
            BatchState::Paused.finish(false),
            Ok(BatchState::Completed),
            "its last items ran out"
        );
    }

    #[test]
    fn what_is_halted_ends_as_what_halted_it() {
        assert_eq!(BatchState::Cancelling.finish(false), Ok(BatchState::Cancelled));
        assert_eq!(BatchState::Cancelling.finish(true), Ok(BatchState::Failed));
        assert!(BatchState::Completed.halt().is_err());
    }
}

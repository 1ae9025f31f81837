//! What a person, an operator or a guard rail does to a batch.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::ids::ItemIndex;
use crate::item::ItemState;

/// Something to do to a batch. Each is idempotent: done twice, it changes nothing the second time.
#[derive(Debug, Clone, PartialEq)]
pub enum Command {
    /// Ends the upload of a batch that was opened for appending.
    Seal,
    /// Starts a batch that waits for it.
    Run {
        /// A new limit of its items in flight.
        concurrency: Option<u32>,
    },
    /// Starts no more items, for now. Those that run finish.
    Pause,
    /// Starts items again: also after a guard rail has paused it.
    Resume,
    /// Starts no more items, for good, and stops those that run.
    Cancel,
    /// The same, because of an error.
    Fail {
        /// Why.
        error: String,
    },
    /// Changes what may change while it runs.
    Change(Change),
    /// Removes it.
    Delete {
        /// Also where it has not ended: it is cancelled first.
        force: bool,
    },
}

impl Command {
    /// Its name in the history of a batch.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Seal => "seal",
            Self::Run { .. } => "run",
            Self::Pause => "pause",
            Self::Resume => "resume",
            Self::Cancel => "cancel",
            Self::Fail { .. } => "fail",
            Self::Change(_) => "change",
            Self::Delete { .. } => "delete",
        }
    }
}

/// New values; `None` leaves one as it is, and `Some(None)` lifts a limit.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Change {
    /// Its name for people.
    pub name: Option<Option<String>>,
    /// Its priority within its space.
    pub priority: Option<i16>,
    /// The most items in flight at once.
    pub concurrency: Option<Option<u32>>,
    /// The most items dispatched per second.
    pub rate_per_s: Option<Option<f64>>,
}

/// Who did something to a batch: a person as they call themselves, or [`Actor::SYSTEM`]. 1 to 100 printable
/// characters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Actor(String);

impl Actor {
    /// The name of Flotilla itself: guard rails and deadlines.
    pub const SYSTEM: &'static str = "flotilla";

    /// Flotilla itself.
    #[must_use]
    pub fn system() -> Self {
        Self(Self::SYSTEM.to_owned())
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Actor {
    type Err = InvalidActor;

    fn from_str(text: &str) -> Result<Self, InvalidActor> {
        let text = text.trim();
        let fine = (1..=100).contains(&text.chars().count()) && !text.chars().any(char::is_control);
        if fine && text != Self::SYSTEM {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidActor)
        }
    }
}

/// A name that nobody can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected 1 to 100 printable characters, and not {:?}", Actor::SYSTEM)]
pub struct InvalidActor;

/// Why a batch is paused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PauseReason {
    /// Somebody asked for it.
    Requested,
    /// Its failure threshold was crossed.
    FailureThreshold,
    /// Its first items are done, and somebody is to look at them.
    Canary,
}

impl PauseReason {
    /// The name in the API.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Requested => "requested",
            Self::FailureThreshold => "failure_threshold",
            Self::Canary => "canary",
        }
    }
}

/// A pause.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Paused {
    /// Why.
    pub reason: PauseReason,
    /// By whom.
    pub by: Actor,
    /// Since when.
    pub at: Timestamp,
}

/// Something that was done to a batch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BatchEvent {
    /// When.
    pub at: Timestamp,
    /// By whom.
    pub by: Actor,
    /// What: the name of a [`Command`], `retry`, or `end`.
    pub action: String,
    /// More about it, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

/// Which ended items of a batch are to run again. What is not said does not matter; an item must fit all that is said.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selection {
    /// Items in one of these states; none means `failed`.
    pub states: Vec<ItemState>,
    /// Items whose error has this fingerprint.
    pub fingerprint: Option<String>,
    /// These items.
    pub indices: Option<Vec<ItemIndex>>,
    /// Only items that have a dead letter.
    pub dead: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_can_pass_for_the_system() {
        assert_eq!("  ann@host ".parse::<Actor>().unwrap().as_str(), "ann@host");
        for bad in ["", " ", "flotilla", "a\nb"] {
            assert!(bad.parse::<Actor>().is_err(), "{bad:?}");
        }
        assert!("x".repeat(101).parse::<Actor>().is_err());
    }
}

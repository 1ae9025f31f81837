//! What became of an item, once and for all.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::artifact::Artifact;
use crate::fingerprint::fingerprint;
use crate::ids::{BatchId, ItemIndex, WorkerId};
use crate::item::ItemState;
use crate::json::Json;

/// What a handler answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Output {
    /// The answer itself.
    Inline(Json),
    /// Too long for a row: kept in object storage.
    Stored {
        /// Its key there.
        key: String,
        /// Its length in bytes.
        bytes: u64,
    },
}

/// The kinds of failure that an item can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ItemErrorKind {
    /// The handler said no: an exit code, an HTTP status, an error of its own.
    Handler,
    /// The handler took too long.
    Timeout,
    /// The handler's answer could not be used: too long, or not JSON where JSON was asked for.
    Output,
    /// The handler could not be started or reached.
    Unreachable,
    /// The item does not fit its job type: an unknown type, a missing field.
    Invalid,
    /// Workers died or gave up while they had it, too many times.
    WorkerLost,
}

impl ItemErrorKind {
    /// The name in the API and in both databases.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Handler => "handler",
            Self::Timeout => "timeout",
            Self::Output => "output",
            Self::Unreachable => "unreachable",
            Self::Invalid => "invalid",
            Self::WorkerLost => "worker_lost",
        }
    }
}

/// Why an item failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ItemError {
    /// Its kind.
    pub kind: ItemErrorKind,
    /// What happened, in words for the person who submitted the item. At most [`ItemError::MAX_MESSAGE`] bytes.
    pub message: String,
}

impl ItemError {
    /// Longer messages are cut, in bytes.
    pub const MAX_MESSAGE: usize = 2_000;

    /// An error; a message that is too long is cut at a character.
    #[must_use]
    pub fn new(kind: ItemErrorKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: kept(message.into()),
        }
    }

    /// Equal for errors that differ only in numbers, ids and quoted values.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        fingerprint(self.kind.as_str(), &self.message)
    }
}

/// What is kept of a message: all that every database can hold, up to [`ItemError::MAX_MESSAGE`] bytes.
pub(crate) fn kept(mut message: String) -> String {
    // PostgreSQL's text can't hold it.
    message.retain(|c| c != '\0');
    if message.len() > ItemError::MAX_MESSAGE {
        let cut = message.floor_char_boundary(ItemError::MAX_MESSAGE - '…'.len_utf8());
        message.truncate(cut);
        message.push('…');
    }
    message
}

/// How an item ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ending {
    /// With the handler's answer.
    Succeeded(Output),
    /// With an error.
    Failed(ItemError),
    /// By a person.
    Cancelled,
}

impl Ending {
    /// Failed with `error`, cut to what is kept: reports of other programs do not go through [`ItemError::new`].
    #[must_use]
    pub fn failed(error: ItemError) -> Self {
        Self::Failed(ItemError::new(error.kind, error.message))
    }

    /// The item's terminal state.
    #[must_use]
    pub fn state(&self) -> ItemState {
        match self {
            Self::Succeeded(_) => ItemState::Succeeded,
            Self::Failed(_) => ItemState::Failed,
            Self::Cancelled => ItemState::Cancelled,
        }
    }
}

/// The outcome of an item. The first one that a store records stays; later ones change nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// The batch.
    pub batch: BatchId,
    /// The item.
    pub index: ItemIndex,
    /// Which attempt it was, from 1; 0 where the item was never dispatched.
    pub attempt: u16,
    /// How it ended.
    pub ending: Ending,
    /// When the attempt began.
    pub started_at: Timestamp,
    /// How long the handler took, in microseconds.
    pub duration_us: u64,
    /// Who ran it; nobody, where the outcome was decided without running it.
    pub worker: Option<WorkerId>,
    /// Files that came of it; none, unless it succeeded.
    pub artifacts: Vec<Artifact>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_messages_are_cut_at_a_character() {
        let error = ItemError::new(ItemErrorKind::Handler, "é".repeat(2_000));
        assert!(error.message.len() <= ItemError::MAX_MESSAGE);
        assert!(error.message.ends_with("é…"));
        assert_eq!(ItemError::new(ItemErrorKind::Handler, "a\0b").message, "ab");
    }
}

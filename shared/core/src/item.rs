//! The item: one input of a batch, and what became of it.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::artifact::Artifact;
use crate::batch::UnknownState;
use crate::ids::ItemIndex;
use crate::json::Json;
use crate::outcome::{ItemError, Output};

/// An item as it was submitted. Its index is its place in the sequence of items.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewItem {
    /// The producer's own name for it.
    pub custom_id: Option<String>,
    /// What the handler gets.
    pub input: Json,
}

/// Where an item stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ItemState {
    /// Not dispatched yet.
    Pending,
    /// On its way to a worker.
    Queued,
    /// A worker runs it.
    Processing,
    /// The next attempt is due later.
    Retrying,
    /// Something else will complete it by callback.
    Waiting,
    /// Done.
    Succeeded,
    /// Given up on.
    Failed,
    /// Stopped by a person.
    Cancelled,
}

impl ItemState {
    /// Every state, in the order of an item's life.
    pub const ALL: [Self; 8] = [
        Self::Pending,
        Self::Queued,
        Self::Processing,
        Self::Retrying,
        Self::Waiting,
        Self::Succeeded,
        Self::Failed,
        Self::Cancelled,
    ];

    /// The name in the API and in both databases.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Queued => "queued",
            Self::Processing => "processing",
            Self::Retrying => "retrying",
            Self::Waiting => "waiting",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }

    /// True for `succeeded`, `failed` and `cancelled`.
    #[must_use]
    pub fn is_terminal(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed | Self::Cancelled)
    }
}

impl fmt::Display for ItemState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for ItemState {
    type Err = UnknownState;
    fn from_str(text: &str) -> Result<Self, UnknownState> {
        Self::ALL
            .into_iter()
            .find(|state| state.as_str() == text)
            .ok_or_else(|| UnknownState(text.to_owned()))
    }
}

/// An item as it is read.
#[derive(Debug, Clone, PartialEq)]
pub struct Item {
    /// Its position in the batch.
    pub index: ItemIndex,
    /// The producer's own name for it.
    pub custom_id: Option<String>,
    /// Where it stands. Stores answer `queued` for all dispatched items: only workers know which of them run.
    pub state: ItemState,
    /// How often it was attempted, including an attempt under way.
    pub attempts: u16,
    /// What it was submitted with.
    pub input: Json,
    /// What its handler answered.
    pub output: Option<Output>,
    /// Files that came of it.
    pub artifacts: Vec<Artifact>,
    /// True where they are left out, because there are [too many](crate::artifact::MAX_LISTED_BYTES) for a page: an item
    /// that is read alone has all of them.
    pub artifacts_left_out: bool,
    /// Why it failed, or why its last attempt did.
    pub error: Option<ItemError>,
    /// When its last attempt began.
    pub started_at: Option<Timestamp>,
    /// When it got its terminal state.
    pub finished_at: Option<Timestamp>,
    /// How long its last attempt took, in microseconds.
    pub duration_us: Option<u64>,
}

/// Which items of a batch to list, in input order.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ItemFilter {
    /// Only those in this state. `queued` and `processing` mean the same to a store: dispatched, not settled.
    pub state: Option<ItemState>,
    /// Only those after this one: the last of the previous page.
    pub after: Option<ItemIndex>,
    /// Only those before this one: bounds how many are looked at.
    pub before: Option<ItemIndex>,
}

impl ItemFilter {
    /// Items that one read looks at where no index leads to those of a state: it ends in bounded time, however few there
    /// are of them.
    const STRETCH: u32 = 50_000;

    /// The same, for no more items than one read should look at. Where it finds too few before [`before`](Self::before),
    /// the next one goes on there.
    #[must_use]
    pub fn stretch(self) -> Self {
        use ItemState::{Processing, Queued, Succeeded};
        let is_looked_for = matches!(self.state, Some(Queued | Processing | Succeeded));
        let first = self.after.map_or(0, |after| after.saturating_add(1));
        Self {
            before: is_looked_for
                .then(|| first.saturating_add(Self::STRETCH))
                .or(self.before),
            ..self
        }
    }

    /// Only this item.
    #[must_use]
    pub fn of(index: ItemIndex) -> Self {
        Self {
            state: None,
            after: index.checked_sub(1),
            before: index.checked_add(1),
        }
    }

    /// Only those in this state, or all.
    #[must_use]
    pub fn in_state(state: Option<ItemState>) -> Self {
        Self {
            state,
            ..Self::default()
        }
    }
}

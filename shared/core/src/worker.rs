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
    /// Which items those are. A worker that does not say keeps lost messages of its pools from being found: nobody could
    /// tell them from what it has.
    #[serde(default)]
    pub holding: Option<Vec<Holding>>,
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

/// Items of a batch that a worker has in hand.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holding {
    /// The batch.
    pub batch: BatchId,
    /// Stretches of its items in order, each with its first and its last: what is in hand was mostly dispatched in a row.
    pub items: Vec<(ItemIndex, ItemIndex)>,
}

impl Holding {
    /// `items`, which come in order.
    pub fn of(items: impl IntoIterator<Item = (BatchId, ItemIndex)>) -> Vec<Self> {
        let mut all: Vec<Self> = Vec::new();
        for (batch, index) in items {
            match all.last_mut() {
                Some(holding) if holding.batch == batch => holding.add(index),
                _ => all.push(Self {
                    batch,
                    items: vec![(index, index)],
                }),
            }
        }
        all
    }

    fn add(&mut self, index: ItemIndex) {
        match self.items.last_mut() {
            Some((_, last)) if *last == index || last.checked_add(1) == Some(index) => *last = index,
            _ => self.items.push((index, index)),
        }
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_held_is_told_in_stretches() {
        let batch = |n| BatchId(uuid::Uuid::from_u128(n));
        let held = [(1, 0), (1, 1), (1, 2), (1, 7), (2, 3), (2, u32::MAX)];
        let holding = Holding::of(held.map(|(n, index)| (batch(n), index)));
        let stretches: Vec<_> = holding.into_iter().map(|one| (one.batch, one.items)).collect();
        assert_eq!(
            stretches,
            [
                (batch(1), vec![(0, 2), (7, 7)]),
                (batch(2), vec![(3, 3), (u32::MAX, u32::MAX)])
            ]
        );
    }
}

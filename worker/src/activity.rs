//! What the worker does at this moment: the content of its heartbeats.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use flotilla_core::message::ItemMessage;
use flotilla_core::worker::{Doing, Holding, MAX_DOING, Running};
use flotilla_core::{BatchId, ItemIndex};

/// Counts items in hand. Its guards count them out again, however they end.
#[derive(Debug, Clone, Default)]
pub(crate) struct Activity(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    /// Items that run, by batch.
    running: BTreeMap<BatchId, u32>,
    /// The same items, in the order in which they began.
    doing: BTreeMap<u64, Doing>,
    begun: u64,
    held: u32,
    /// What is held, and how often: a broker may deliver twice.
    holding: BTreeMap<(BatchId, ItemIndex), u32>,
}

/// Items in hand.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct InHand {
    /// Items that run, by batch.
    pub(crate) running: Vec<Running>,
    /// Some of them, the oldest first.
    pub(crate) doing: Vec<Doing>,
    /// Items that were taken from a queue and not reported yet.
    pub(crate) held: u32,
    /// Which those are.
    pub(crate) holding: Vec<Holding>,
}

impl Activity {
    /// As of now.
    pub(crate) fn now(&self) -> InHand {
        let state = self.lock();
        let running = state.running.iter();
        InHand {
            running: running.map(|(&batch, &items)| Running { batch, items }).collect(),
            doing: state.doing.values().take(MAX_DOING).cloned().collect(),
            held: state.held,
            holding: Holding::of(state.holding.keys().copied()),
        }
    }

    /// An item was taken from a queue, or something that is no item.
    pub(crate) fn hold(&self, item: Option<&ItemMessage>) -> Held {
        let item = item.map(|item| (item.batch, item.index));
        let mut state = self.lock();
        state.held += 1;
        if let Some(item) = item {
            *state.holding.entry(item).or_default() += 1;
        }
        drop(state);
        Held(self.clone(), item)
    }

    /// An item begins to run.
    pub(crate) fn run(&self, doing: Doing) -> Runs {
        let mut state = self.lock();
        let (batch, number) = (doing.batch, state.begun);
        state.begun += 1;
        *state.running.entry(batch).or_default() += 1;
        state.doing.insert(number, doing);
        drop(state);
        Runs {
            activity: self.clone(),
            batch,
            number,
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An item in hand.
#[derive(Debug)]
pub(crate) struct Held(Activity, Option<(BatchId, ItemIndex)>);

impl Drop for Held {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.held -= 1;
        if let Some(item) = self.1
            && let Some(times) = state.holding.get_mut(&item)
        {
            *times -= 1;
            if *times == 0 {
                state.holding.remove(&item);
            }
        }
    }
}

/// An item that runs.
#[derive(Debug)]
pub(crate) struct Runs {
    activity: Activity,
    batch: BatchId,
    number: u64,
}

impl Drop for Runs {
    fn drop(&mut self) {
        let mut state = self.activity.lock();
        state.doing.remove(&self.number);
        if let Some(items) = state.running.get_mut(&self.batch) {
            *items -= 1;
            if *items == 0 {
                state.running.remove(&self.batch);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;

    const BATCH: BatchId = BatchId(uuid::Uuid::from_u128(1));

    fn doing(index: u32) -> Doing {
        Doing {
            batch: BATCH,
            index,
            attempt: 1,
            job_type: "echo".into(),
            since: Timestamp::UNIX_EPOCH,
        }
    }

    #[test]
    fn guards_count_out() {
        let activity = Activity::default();
        let held = activity.hold(None);
        let (first, second) = (activity.run(doing(0)), activity.run(doing(1)));
        drop(first);
        let now = activity.now();
        assert_eq!(
            now.running,
            [Running {
                batch: BATCH,
                items: 1
            }]
        );
        assert_eq!((now.doing, now.held), (vec![doing(1)], 1));
        drop((second, held));
        assert_eq!(activity.now(), InHand::default());
    }

    #[test]
    fn the_oldest_are_named_and_not_too_many() {
        let activity = Activity::default();
        let _all: Vec<_> = (0..MAX_DOING as u32 + 50)
            .map(|index| activity.run(doing(index)))
            .collect();
        let now = activity.now();
        assert_eq!(now.running[0].items as usize, MAX_DOING + 50);
        assert_eq!(now.doing.len(), MAX_DOING);
        assert!(now.doing.iter().map(|one| one.index).eq(0..MAX_DOING as u32));
    }
}

//! What the worker does at this moment: the content of its heartbeats.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use flotilla_core::BatchId;
use flotilla_core::worker::Running;

/// Counts items in hand. Its guards count them out again, however they end.
#[derive(Debug, Clone, Default)]
pub(crate) struct Activity(Arc<Mutex<Counts>>);

/// Items in hand.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// Items that run, by batch.
    running: BTreeMap<BatchId, u32>,
    /// Items taken from a queue and not settled with it.
    pub(crate) held: u32,
}

impl Counts {
    pub(crate) fn running(&self) -> Vec<Running> {
        let each = self.running.iter();
        each.map(|(&batch, &items)| Running { batch, items }).collect()
    }
}

impl Activity {
    /// As of now.
    pub(crate) fn counts(&self) -> Counts {
        self.lock().clone()
    }

    /// An item was taken from a queue.
    pub(crate) fn hold(&self) -> Held {
        self.lock().held += 1;
        Held(self.clone())
    }

    /// An item of `batch` begins to run.
    pub(crate) fn run(&self, batch: BatchId) -> Runs {
        *self.lock().running.entry(batch).or_default() += 1;
        Runs(self.clone(), batch)
    }

    fn lock(&self) -> MutexGuard<'_, Counts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An item in hand.
#[derive(Debug)]
pub(crate) struct Held(Activity);

impl Drop for Held {
    fn drop(&mut self) {
        self.0.lock().held -= 1;
    }
}

/// An item that runs.
#[derive(Debug)]
pub(crate) struct Runs(Activity, BatchId);

impl Drop for Runs {
    fn drop(&mut self) {
        let mut counts = self.0.lock();
        if let Some(items) = counts.running.get_mut(&self.1) {
            *items -= 1;
            if *items == 0 {
                counts.running.remove(&self.1);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn guards_count_out() {
        let (activity, batch) = (Activity::default(), BatchId(uuid::Uuid::from_u128(1)));
        let held = activity.hold();
        let (first, second) = (activity.run(batch), activity.run(batch));
        drop(first);
        assert_eq!(activity.counts().running(), [Running { batch, items: 1 }]);
        drop((second, held));
        assert_eq!(activity.counts(), Counts::default());
    }
}

//! How many items are in which state.

use serde::{Deserialize, Serialize};

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

#[cfg(test)]
mod tests {
    use super::*;

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

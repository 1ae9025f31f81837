//! Measures how fast each pool's fleet drains its queue.

use std::collections::HashMap;
use std::time::Duration;

use flotilla_core::ports::store::ActiveBatch;
use flotilla_core::{BatchId, Pool};
use tokio::time::Instant;

/// Observations closer together are gathered into one: tiny intervals make wild rates.
const MIN_INTERVAL: Duration = Duration::from_millis(50);

/// Compares what is settled now with what was settled before. It reads the store's counts, so it is right however many
/// publishers and schedulers there are, and with the live view down.
#[derive(Default)]
pub(super) struct Drain {
    seen: HashMap<BatchId, Seen>,
    at: Option<Instant>,
}

struct Seen {
    pool: Pool,
    settled: u32,
    in_flight: u32,
}

/// What left the fleets.
pub(super) struct Drained {
    /// Items settled, by pool.
    pub(super) settled: HashMap<Pool, u32>,
    /// In this time.
    pub(super) elapsed: Duration,
}

impl Drain {
    /// What was settled since the last observation. `None` for the first one, and when too little time has passed.
    pub(super) fn observe(&mut self, active: &[ActiveBatch], now: Instant) -> Option<Drained> {
        let elapsed = self.at.map(|at| now.duration_since(at));
        if elapsed.is_some_and(|elapsed| elapsed < MIN_INTERVAL) {
            return None;
        }
        let mut before = std::mem::take(&mut self.seen);
        let mut settled: HashMap<Pool, u32> = HashMap::new();
        for batch in active {
            let was = before.remove(&batch.id).map_or(0, |seen| seen.settled);
            *settled.entry(batch.pool.clone()).or_default() += batch.settled.saturating_sub(was);
            let seen = Seen {
                pool: batch.pool.clone(),
                settled: batch.settled,
                in_flight: batch.in_flight,
            };
            self.seen.insert(batch.id, seen);
        }
        // Batches that are not active any more: what they had in flight has settled.
        for (_, gone) in before {
            *settled.entry(gone.pool).or_default() += gone.in_flight;
        }
        self.at = Some(now);
        elapsed.map(|elapsed| Drained { settled, elapsed })
    }
}

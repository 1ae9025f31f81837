//! Measures how fast each pool's fleet drains its queue.

use std::collections::HashMap;
use std::time::Duration;

use flotilla_core::ports::store::{ActiveBatch, Claim};
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
            // A batch that was not seen before brings what it ever settled with it: it was paused, say, or behind
            // others. None of that was settled just now. What was dispatched of it just now counts from here on.
            let was = before
                .remove(&batch.id)
                .map_or(batch.settled, |seen| seen.settled);
            *settled.entry(batch.pool.clone()).or_default() += batch.settled.saturating_sub(was);
            let seen = Seen {
                pool: batch.pool.clone(),
                settled: batch.settled,
                in_flight: batch.supply.in_flight,
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

    /// These were dispatched: a short batch may be through before it is seen again.
    pub(super) fn dispatched(&mut self, claims: &[Claim]) {
        for claim in claims {
            if let Some(seen) = self.seen.get_mut(&claim.batch) {
                seen.in_flight = seen.in_flight.saturating_add(claim.items.len() as u32);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::plan::tests::batch;
    use super::*;

    fn settled(id: u128, settled: u32, in_flight: u32) -> ActiveBatch {
        ActiveBatch {
            settled,
            ..batch(id, "default", in_flight, 10)
        }
    }

    #[tokio::test(start_paused = true)]
    async fn only_what_settles_while_it_is_watched_counts() {
        let mut drain = Drain::default();
        let mut see = async |batches: &[ActiveBatch]| {
            tokio::time::advance(Duration::from_secs(1)).await;
            let drained = drain.observe(batches, Instant::now());
            drained.map(|drained| drained.settled.values().sum::<u32>())
        };
        assert_eq!(
            see(&[settled(1, 500_000, 10)]).await,
            None,
            "nothing to compare with"
        );
        assert_eq!(see(&[settled(1, 500_030, 10)]).await, Some(30));
        assert_eq!(see(&[]).await, Some(10), "what it had in flight has settled");
        assert_eq!(see(&[]).await, Some(0));
        assert_eq!(
            see(&[settled(1, 900_000, 20)]).await,
            Some(0),
            "settled while it was not listed"
        );
        assert_eq!(see(&[settled(1, 900_007, 20)]).await, Some(7));
        assert_eq!(
            see(&[settled(1, 800_000, 20)]).await,
            Some(0),
            "failed items run again"
        );
    }
}

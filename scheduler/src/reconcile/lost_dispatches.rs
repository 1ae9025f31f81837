//! A dispatch is lost if its item is in flight and yet nowhere: its message has left the queue, no live worker holds it,
//! no publisher has it in hand, and no report or dead letter of it is on its way. A queue was purged or deleted, a policy
//! dropped messages, the broker lost its disk, or a message of another version was parked. The item is dispatched again.
//!
//! Nobody can see into a queue, so what is lost is concluded from several [looks](watch::Watch) in a row. Should the
//! conclusion be wrong, an item runs twice and counts once.

mod watch;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use async_trait::async_trait;
use flotilla_core::ports::broker::Queue;
use flotilla_core::ports::store::{InFlight, Resend, Sent};
use flotilla_core::shard::Shard;
use flotilla_core::worker::WorkerStatus;
use flotilla_core::{BatchId, Pool, Result};
use jiff::{SignedDuration, Timestamp};

use self::watch::{Look, PoolQueues, Watch};
use super::Task;
use crate::Deps;

/// Items per batch and look that are looked at for the first time.
const ITEMS: u32 = 100_000;
/// Items per transaction.
const RESENDS: usize = 1_000;
/// Reports and dead letters of so many messages are on their way at any time.
const ON_THEIR_WAY: u32 = 64;
/// How long an item rests that was lost for the second time; then twice as long each time, up to a limit. What is lost
/// again and again is lost to a cause that somebody has to mend, and must not fill the queue meanwhile.
const FIRST_REST: Duration = Duration::from_secs(5);
const LONGEST_REST: Duration = Duration::from_secs(300);

/// Dispatches lost items again.
pub struct LostDispatches {
    deps: Deps,
    shards: u16,
    watch: Watch,
}

impl LostDispatches {
    /// With reports in so many `shards`.
    #[must_use]
    pub fn new(deps: &Deps, shards: u16) -> Self {
        Self {
            deps: deps.clone(),
            shards,
            watch: Watch::default(),
        }
    }

    /// What came after the items were listed: so what is nowhere now was nowhere then.
    async fn look(&self, in_flight: Vec<InFlight>) -> Result<Look> {
        let pools: BTreeSet<Pool> = in_flight.iter().map(|batch| batch.pool.clone()).collect();
        let broker = &self.deps.broker;
        let mut queues = BTreeMap::new();
        for pool in pools {
            let work = broker.depth(&Queue::Work(pool.clone())).await?;
            let isolated = broker.depth(&Queue::Isolate(pool.clone())).await?;
            let of_pool = PoolQueues {
                waiting: work.ready,
                isolated: isolated.ready,
                consumers: work.consumers,
            };
            queues.insert(pool, of_pool);
        }
        let mut settling = broker.depth(&Queue::Dead).await?.ready;
        for shard in Shard::all(self.shards) {
            settling = settling.max(broker.depth(&Queue::Reports(shard)).await?.ready);
        }
        let workers: Vec<WorkerStatus> = self.deps.progress.workers().await?;
        Ok(Look {
            in_flight,
            queues,
            settling: settling > ON_THEIR_WAY,
            workers,
        })
    }

    async fn resend(&self, batch: BatchId, lost: &[Sent]) -> Result<u32> {
        let now = self.deps.clock.now();
        let mut resent = 0;
        for lost in lost.chunks(RESENDS) {
            let lost: Vec<Resend> = lost
                .iter()
                .map(|&sent| Resend {
                    sent,
                    due_at: due_at(sent.resends, now),
                })
                .collect();
            resent += self.deps.store.resend(batch, &lost).await?;
        }
        Ok(resent)
    }
}

#[async_trait]
impl Task for LostDispatches {
    fn name(&self) -> &'static str {
        "lost dispatches"
    }

    /// Longer than workers are ever silent, so that each look hears of each of them again.
    fn period(&self) -> Duration {
        Duration::from_secs(6)
    }

    async fn run_once(&mut self) -> Result<u64> {
        let in_flight = self.deps.store.in_flight(&self.watch.known(), ITEMS).await?;
        if in_flight.iter().all(|batch| batch.items.is_empty()) {
            self.watch.nothing_in_flight(&in_flight);
            return Ok(0);
        }
        let look = self.look(in_flight).await.inspect_err(|_| self.watch.forget())?;
        let mut all = 0;
        for (batch, lost) in self.watch.look(look) {
            let items = self.resend(batch, &lost).await?;
            if items > 0 {
                tracing::warn!(%batch, items, "messages are lost: their items are dispatched again");
            }
            all += u64::from(items);
        }
        Ok(all)
    }
}

/// When an item is dispatched again that was so often before.
fn due_at(resends: u16, now: Timestamp) -> Timestamp {
    let rest = match u32::from(resends).checked_sub(1) {
        None => Duration::ZERO,
        Some(again) => FIRST_REST
            .saturating_mul(2_u32.saturating_pow(again))
            .min(LONGEST_REST),
    };
    let rest = SignedDuration::try_from(rest).unwrap_or(SignedDuration::MAX);
    now.saturating_add(rest).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_lost_again_and_again_rests_longer_and_longer() {
        let now = Timestamp::UNIX_EPOCH;
        let rests = [0, 1, 2, 3, 7, u16::MAX].map(|resends| due_at(resends, now).as_second());
        assert_eq!(rests, [0, 5, 10, 20, 300, 300]);
    }
}

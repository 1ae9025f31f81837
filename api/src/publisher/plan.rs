//! Decides what to claim: pure, but for remembering whose turn it is.

use std::collections::HashMap;

use flotilla_core::Pool;
use flotilla_core::fair::{Candidate, Planner};
use flotilla_core::ports::store::{ActiveBatch, Want};
use flotilla_core::window::Window;
use tokio::time::Instant;

use super::Config;
use super::drain::Drain;

/// The publisher's memory between turns.
pub(super) struct Plan {
    config: Config,
    pools: HashMap<Pool, PoolPlan>,
    drain: Drain,
}

/// Each pool has its own fleet, so its own window and its own turns.
#[derive(Default)]
struct PoolPlan {
    window: Window,
    planner: Planner,
}

impl Plan {
    pub(super) fn new(config: Config) -> Self {
        Self {
            config,
            pools: HashMap::new(),
            drain: Drain::default(),
        }
    }

    /// What to claim, where `active` is what there is and `slots` how many items each fleet runs at once.
    pub(super) fn wants(
        &mut self,
        active: &[ActiveBatch],
        slots: &HashMap<Pool, u32>,
        now: Instant,
    ) -> Vec<Want> {
        let drained = self.drain.observe(active, now);
        self.pools
            .retain(|pool, _| active.iter().any(|batch| batch.pool == *pool));
        for batch in active {
            self.pools.entry(batch.pool.clone()).or_default();
        }
        let mut left = TurnLimit {
            items: self.config.turn_items,
            bytes: self.config.turn_bytes,
        };
        let mut wants = Vec::new();
        for (pool, plan) in &mut self.pools {
            if let Some(drained) = &drained {
                plan.window
                    .observe(drained.settled.get(pool).copied().unwrap_or(0), drained.elapsed);
            }
            let of_pool = active.iter().filter(|batch| batch.pool == *pool);
            let in_flight: u32 = of_pool.clone().map(|batch| batch.in_flight).sum();
            let window = plan.window.size(slots.get(pool).copied().unwrap_or(0));
            let candidates: Vec<_> = of_pool.map(candidate).collect();
            let budget = window.saturating_sub(in_flight).min(left.items);
            for grant in plan.planner.plan(&candidates, budget, |_| 1) {
                let longest = active
                    .iter()
                    .find(|batch| batch.id == grant.batch)
                    .map_or(0, |b| b.max_input_bytes);
                let items = left.take(grant.items, longest);
                if items > 0 {
                    wants.push(Want {
                        batch: grant.batch,
                        items,
                    });
                }
            }
        }
        wants
    }
}

fn candidate(batch: &ActiveBatch) -> Candidate {
    Candidate {
        batch: batch.id,
        space: batch.space.clone(),
        priority: batch.priority,
        ready: batch.ready,
    }
}

/// What one turn may still claim.
struct TurnLimit {
    items: u32,
    bytes: u64,
}

impl TurnLimit {
    /// Cuts `wanted` so that even items as long as the longest fit into memory. A turn always gets its first item.
    fn take(&mut self, wanted: u32, longest: u32) -> u32 {
        let longest = u64::from(longest.max(1));
        let fit = u32::try_from(self.bytes / longest).unwrap_or(u32::MAX);
        let first = u32::from(self.bytes > 0);
        let items = wanted.min(self.items).min(fit.max(first));
        self.items -= items;
        self.bytes = self.bytes.saturating_sub(u64::from(items) * longest);
        items
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use flotilla_core::{BatchId, Space};

    use super::*;

    fn batch(id: u128, pool: &str, in_flight: u32, ready: u32) -> ActiveBatch {
        ActiveBatch {
            id: BatchId(uuid::Uuid::from_u128(id)),
            space: Space::default(),
            pool: pool.parse().unwrap(),
            priority: 0,
            in_flight,
            settled: 0,
            ready,
            max_input_bytes: 100,
        }
    }

    fn total(wants: &[Want]) -> u32 {
        wants.iter().map(|want| want.items).sum()
    }

    #[tokio::test]
    async fn fills_the_window_of_each_pool_and_no_more() {
        let mut plan = Plan::new(Config::default());
        let slots = HashMap::from([("default".parse().unwrap(), 50), ("gpu".parse().unwrap(), 100)]);
        let active = [batch(1, "default", 40, 10_000), batch(2, "gpu", 200, 10_000)];
        let wants = plan.wants(&active, &slots, Instant::now());
        assert_eq!(
            wants,
            [Want {
                batch: active[0].id,
                items: 60
            }]
        );
    }

    #[tokio::test(start_paused = true)]
    async fn the_window_follows_the_drain_rate() {
        let mut plan = Plan::new(Config {
            turn_items: u32::MAX,
            ..Config::default()
        });
        let slots = HashMap::from([(Pool::default(), 10)]);
        let mut active = [batch(1, "default", 0, 1_000_000)];
        let idle = total(&plan.wants(&active, &slots, Instant::now()));
        for _ in 0..50 {
            tokio::time::advance(Duration::from_millis(100)).await;
            active[0].settled += 1_000;
            plan.wants(&active, &slots, Instant::now());
        }
        let busy = total(&plan.wants(&active, &slots, Instant::now()));
        assert!(
            busy > 2_000 && idle < 100,
            "10,000 items/s keep 250 ms queued: {busy}, idle: {idle}"
        );
    }

    #[tokio::test]
    async fn long_inputs_make_small_turns() {
        let mut plan = Plan::new(Config {
            turn_bytes: 1_000,
            ..Config::default()
        });
        let slots = HashMap::from([(Pool::default(), 500)]);
        let wants = plan.wants(&[batch(1, "default", 0, 500)], &slots, Instant::now());
        assert_eq!(total(&wants), 10);
        let mut huge = batch(1, "default", 0, 500);
        huge.max_input_bytes = 5_000;
        assert_eq!(
            total(&plan.wants(&[huge], &slots, Instant::now())),
            1,
            "one item always goes"
        );
    }
}

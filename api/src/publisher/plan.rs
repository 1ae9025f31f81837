//! Decides what to claim: pure, but for remembering whose turn it is.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use flotilla_core::fair::{Candidate, Grant, Planner};
use flotilla_core::limits::{Ceilings, Scope, ScopeUse, Supply, take_within};
use flotilla_core::ports::store::{Active, ActiveBatch, Claim, Want};
use flotilla_core::window::Window;
use flotilla_core::{BatchId, Pool, Space};
use jiff::Timestamp;
use tokio::time::Instant;

use super::Config;
use super::drain::Drain;
use super::fleet::Crew;

/// The publisher's memory between turns.
pub(super) struct Plan {
    config: Config,
    ceilings: Arc<Ceilings>,
    weights: Arc<HashMap<Space, u32>>,
    pools: BTreeMap<Pool, PoolPlan>,
    /// Which pool comes first, by turns: pools share what one turn takes, and ceilings.
    first: usize,
    drain: Drain,
}

/// Each pool has its own fleet, so its own window and its own turns.
#[derive(Default)]
struct PoolPlan {
    window: Window,
    planner: Planner,
    suspects: Planner,
}

/// What a turn is to do.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Turn {
    /// What to claim.
    pub(super) wants: Vec<Want>,
    /// When time alone will let more go.
    pub(super) next_at: Option<Timestamp>,
}

/// The world as a turn finds it.
pub(super) struct Sight<'a> {
    pub(super) active: &'a Active,
    pub(super) crews: &'a HashMap<Pool, Crew>,
    /// Pools for which nothing more can be published at this moment.
    pub(super) busy: &'a dyn Fn(&Pool) -> bool,
    pub(super) now: Timestamp,
    pub(super) instant: Instant,
}

impl Plan {
    pub(super) fn new(config: Config, ceilings: Arc<Ceilings>, weights: Arc<HashMap<Space, u32>>) -> Self {
        Self {
            config,
            ceilings,
            weights,
            pools: BTreeMap::new(),
            first: 0,
            drain: Drain::default(),
        }
    }

    /// What to claim.
    pub(super) fn turn(&mut self, sight: &Sight<'_>) -> Turn {
        let active = &sight.active.batches;
        let drained = self.drain.observe(active, sight.instant);
        self.pools
            .retain(|pool, _| active.iter().any(|batch| batch.pool == *pool));
        for batch in active {
            self.pools.entry(batch.pool.clone()).or_default();
        }
        let mut sharing = Sharing {
            left: TurnLimit {
                items: self.config.turn_items,
                bytes: self.config.turn_bytes,
            },
            scopes: by_scope(&sight.active.scopes),
            ceilings: &self.ceilings,
            weights: &self.weights,
            now: sight.now,
        };
        self.first = self.first.wrapping_add(1);
        let mut pools: Vec<_> = self.pools.iter_mut().collect();
        let first = self.first % pools.len().max(1);
        pools.rotate_left(first);
        let mut wants = Vec::new();
        for (pool, plan) in pools {
            if let Some(drained) = &drained {
                plan.window
                    .observe(drained.settled.get(pool).copied().unwrap_or(0), drained.elapsed);
            }
            if (sight.busy)(pool) {
                continue;
            }
            let of_pool: HashMap<BatchId, &ActiveBatch> = active
                .iter()
                .filter(|batch| batch.pool == *pool)
                .map(|batch| (batch.id, batch))
                .collect();
            let crew = sight.crews.get(pool).copied().unwrap_or_default();
            wants.extend(plan.wants(&of_pool, crew, &mut sharing));
        }
        let waits = active.iter().filter_map(|batch| batch.supply.next_at(sight.now));
        let refills = sharing.scopes.values().filter_map(|used| used.next_at(sight.now));
        Turn {
            wants,
            next_at: waits.chain(refills).chain(sight.active.next_start).min(),
        }
    }

    /// What came of it.
    pub(super) fn claimed(&mut self, claims: &[Claim]) {
        self.drain.dispatched(claims);
    }
}

impl PoolPlan {
    fn wants(
        &mut self,
        batches: &HashMap<BatchId, &ActiveBatch>,
        crew: Crew,
        sharing: &mut Sharing<'_>,
    ) -> Vec<Want> {
        let now = sharing.now;
        let (in_flight, suspects_in_flight) = batches.values().fold((0_u32, 0_u32), |(all, alone), batch| {
            let supply = &batch.supply;
            (
                all.saturating_add(supply.in_flight),
                alone.saturating_add(supply.suspects_in_flight),
            )
        });
        // Each worker runs one suspect at a time; one more each is on its way.
        let most = crew.workers.saturating_mul(2).saturating_add(1);
        let budget = most.saturating_sub(suspects_in_flight);
        let ready = candidates(batches, |batch| batch.supply.ready_suspects(now));
        let suspects = sharing.grant(&mut self.suspects, batches, &ready, budget);
        let alone = |batch| find(&suspects, batch);

        let window = self.window.size(crew.slots);
        let budget = window.saturating_sub(in_flight.saturating_sub(suspects_in_flight));
        let ready = candidates(batches, |batch| {
            after_suspects(&batch.supply, alone(batch.id), now).ready(now)
        });
        let others = sharing.grant(&mut self.planner, batches, &ready, budget);
        let mut wants: Vec<Want> = others
            .iter()
            .map(|grant| Want {
                batch: grant.batch,
                items: grant.items,
                suspects: alone(grant.batch),
            })
            .collect();
        let only_suspects = suspects.iter().filter(|grant| find(&others, grant.batch) == 0);
        wants.extend(only_suspects.map(|grant| Want {
            batch: grant.batch,
            items: 0,
            suspects: grant.items,
        }));
        wants
    }
}

fn find(grants: &[Grant], batch: BatchId) -> u32 {
    grants
        .iter()
        .find(|grant| grant.batch == batch)
        .map_or(0, |grant| grant.items)
}

/// What is left of the limits of a batch once `suspects` of it are dispatched.
fn after_suspects(supply: &Supply, suspects: u32, now: Timestamp) -> Supply {
    let mut left = supply.clone();
    if suspects > 0 {
        left.in_flight = left.in_flight.saturating_add(suspects);
        if let Some(rate) = left.rate_per_s {
            left.bucket = left.bucket.at(rate, now).minus(suspects);
        }
    }
    left
}

fn candidates(
    batches: &HashMap<BatchId, &ActiveBatch>,
    ready: impl Fn(&ActiveBatch) -> u32,
) -> Vec<Candidate> {
    batches
        .values()
        .map(|batch| Candidate {
            batch: batch.id,
            space: batch.space.clone(),
            priority: batch.priority,
            ready: ready(batch),
        })
        .collect()
}

fn by_scope(scopes: &[ScopeUse]) -> BTreeMap<Scope, ScopeUse> {
    scopes
        .iter()
        .map(|used| (used.scope.clone(), used.clone()))
        .collect()
}

/// What all pools share in one turn.
struct Sharing<'a> {
    left: TurnLimit,
    scopes: BTreeMap<Scope, ScopeUse>,
    ceilings: &'a Ceilings,
    weights: &'a HashMap<Space, u32>,
    now: Timestamp,
}

impl Sharing<'_> {
    /// Shares `budget` out. Nothing of it is spent on what a ceiling or the size of a turn would stop.
    fn grant(
        &mut self,
        planner: &mut Planner,
        batches: &HashMap<BatchId, &ActiveBatch>,
        ready: &[Candidate],
        budget: u32,
    ) -> Vec<Grant> {
        let Self {
            left,
            scopes,
            ceilings,
            weights,
            now,
        } = self;
        let weight = |space: &Space| weights.get(space).copied().unwrap_or(1);
        planner.plan_within(ready, budget, weight, |batch, wanted| {
            let Some(batch) = batches.get(&batch) else {
                return 0;
            };
            let over: Vec<&Scope> = ceilings
                .over(&batch.space, &batch.job_type)
                .map(|(scope, _)| scope)
                .collect();
            let fits = left.fits(wanted, batch.max_input_bytes);
            let items = take_within(fits, &over, scopes, *now);
            left.take(items, batch.max_input_bytes);
            items
        })
    }
}

/// What one turn may still claim.
struct TurnLimit {
    items: u32,
    bytes: u64,
}

impl TurnLimit {
    /// Cuts `wanted` so that even items as long as the longest fit into memory. A turn always gets its first item.
    fn fits(&self, wanted: u32, longest: u32) -> u32 {
        let fit = u32::try_from(self.bytes / u64::from(longest.max(1))).unwrap_or(u32::MAX);
        let first = u32::from(self.bytes > 0);
        wanted.min(self.items).min(fit.max(first))
    }

    fn take(&mut self, items: u32, longest: u32) {
        self.items -= items;
        self.bytes = self
            .bytes
            .saturating_sub(u64::from(items) * u64::from(longest.max(1)));
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::time::Duration;

    use flotilla_core::BatchState;
    use flotilla_core::batch::Start;
    use flotilla_core::limits::{Bucket, Ceiling};

    use super::*;

    pub(in super::super) fn batch(id: u128, pool: &str, in_flight: u32, fresh: u32) -> ActiveBatch {
        ActiveBatch {
            id: BatchId(uuid::Uuid::from_u128(id)),
            space: Space::default(),
            job_type: "echo".into(),
            pool: pool.parse().unwrap(),
            priority: 0,
            settled: 0,
            supply: Supply {
                state: BatchState::Processing,
                start: Start::Auto,
                fresh,
                due: 0,
                suspects: 0,
                next_due: None,
                in_flight,
                suspects_in_flight: 0,
                concurrency: None,
                canary_left: None,
                rate_per_s: None,
                bucket: Bucket::default(),
            },
            max_input_bytes: 100,
        }
    }

    /// A plan with what it looks at.
    struct World {
        plan: Plan,
        active: Active,
        crews: HashMap<Pool, Crew>,
        busy: Option<Pool>,
        now: Timestamp,
    }

    impl World {
        fn new(batches: Vec<ActiveBatch>, crews: &[(&str, u32)]) -> Self {
            let crew = |&(pool, slots): &(&str, u32)| (pool.parse().unwrap(), Crew { workers: 1, slots });
            Self {
                plan: Plan::new(Config::default(), Arc::default(), Arc::default()),
                active: Active {
                    batches,
                    ..Active::default()
                },
                crews: crews.iter().map(crew).collect(),
                busy: None,
                now: Timestamp::UNIX_EPOCH,
            }
        }

        /// Everything in these scopes together may have so many items in flight.
        fn under(mut self, scopes: &[Scope], most: u32) -> Self {
            let ceiling = Ceiling {
                concurrency: Some(most),
                rate_per_s: None,
            };
            let mut ceilings = Ceilings::default();
            for scope in scopes {
                ceilings.insert(scope.clone(), ceiling);
                self.active.scopes.push(ScopeUse {
                    scope: scope.clone(),
                    ceiling,
                    in_flight: 0,
                    bucket: Bucket::default(),
                });
            }
            self.plan.ceilings = Arc::new(ceilings);
            self
        }

        fn turn(&mut self) -> Turn {
            self.plan.turn(&Sight {
                active: &self.active,
                crews: &self.crews,
                busy: &|pool| self.busy.as_ref() == Some(pool),
                now: self.now,
                instant: Instant::now(),
            })
        }

        fn items(&mut self) -> u32 {
            self.turn().wants.iter().map(|want| want.items).sum()
        }
    }

    fn want(batch: u128, items: u32, suspects: u32) -> Want {
        Want {
            batch: BatchId(uuid::Uuid::from_u128(batch)),
            items,
            suspects,
        }
    }

    #[tokio::test]
    async fn fills_the_window_of_each_pool_and_no_more() {
        let batches = vec![batch(1, "default", 40, 10_000), batch(2, "gpu", 200, 10_000)];
        let mut world = World::new(batches, &[("default", 50), ("gpu", 100)]);
        assert_eq!(world.turn().wants, [want(1, 60, 0)]);
        world.busy = Some(Pool::default());
        assert_eq!(world.turn().wants, [], "its last turns are still being published");
    }

    #[tokio::test(start_paused = true)]
    async fn the_window_follows_the_drain_rate() {
        let mut world = World::new(vec![batch(1, "default", 0, 1_000_000)], &[("default", 10)]);
        world.plan.config.turn_items = u32::MAX;
        let idle = world.items();
        for _ in 0..50 {
            tokio::time::advance(Duration::from_millis(100)).await;
            world.active.batches[0].settled += 1_000;
            world.turn();
        }
        let busy = world.items();
        assert!(
            busy > 2_000 && idle < 100,
            "10,000 items/s keep 250 ms queued: {busy}, idle: {idle}"
        );
    }

    #[tokio::test]
    async fn long_inputs_make_small_turns() {
        let mut world = World::new(vec![batch(1, "default", 0, 500)], &[("default", 500)]);
        world.plan.config.turn_bytes = 1_000;
        assert_eq!(world.items(), 10);
        world.active.batches[0].max_input_bytes = 5_000;
        assert_eq!(world.items(), 1, "one item always goes");
    }

    #[tokio::test]
    async fn a_limit_of_somebody_else_leaves_nothing_idle() {
        let mut limited = batch(1, "default", 0, 10_000);
        limited.space = "limited".parse().unwrap();
        let mut typed = batch(2, "default", 0, 10_000);
        typed.job_type = "typed".into();
        let scopes = [
            Scope::Space("limited".parse().unwrap()),
            Scope::JobType("typed".into()),
        ];
        let batches = vec![limited, typed, batch(3, "default", 0, 10_000)];
        let mut world = World::new(batches, &[("default", 50)]).under(&scopes, 7);
        let mut wants = world.turn().wants;
        wants.sort_unstable_by_key(|want| want.batch);
        assert_eq!(wants, [want(1, 7, 0), want(2, 7, 0), want(3, 86, 0)]);
    }

    #[tokio::test]
    async fn a_ceiling_holds_over_batches_and_pools() {
        let scopes = [Scope::Space(Space::default())];
        let batches = vec![
            batch(1, "default", 0, 100),
            batch(2, "default", 0, 100),
            batch(3, "gpu", 0, 100),
        ];
        let mut world = World::new(batches, &[("default", 50), ("gpu", 50)]).under(&scopes, 1);
        let mut served = [0; 3];
        for _ in 0..300 {
            let wants = world.turn().wants;
            assert_eq!(wants.iter().map(|want| want.items).sum::<u32>(), 1);
            served[wants[0].batch.0.as_u128() as usize - 1] += 1;
        }
        assert!(
            served.iter().all(|&items| items >= 60),
            "nobody starves: {served:?}"
        );
    }

    #[tokio::test]
    async fn spaces_share_a_fleet_by_weight() {
        let mut heavy = batch(2, "default", 0, 100_000);
        heavy.space = "heavy".parse().unwrap();
        let weights = HashMap::from([(heavy.space.clone(), 3)]);
        let mut world = World::new(vec![batch(1, "default", 0, 100_000), heavy], &[("default", 32)]);
        world.plan.weights = Arc::new(weights);
        let mut served = [0; 2];
        for _ in 0..100 {
            for want in world.turn().wants {
                served[want.batch.0.as_u128() as usize - 1] += want.items;
            }
        }
        assert_eq!(served.iter().sum::<u32>(), 6_400);
        assert!(served[1].abs_diff(3 * served[0]) <= 4 * 96, "{served:?}");
    }

    #[tokio::test]
    async fn suspects_are_few_and_within_the_limits_of_their_batch() {
        let mut suspicious = batch(1, "default", 1, 100);
        suspicious.supply.suspects = 50;
        let mut world = World::new(vec![suspicious], &[("default", 10)]);
        assert_eq!(
            world.turn().wants,
            [want(1, 19, 3)],
            "two for the worker and one more"
        );
        let supply = &mut world.active.batches[0].supply;
        supply.concurrency = Some(3);
        assert_eq!(world.turn().wants, [want(1, 0, 2)], "two more may be in flight");
        let supply = &mut world.active.batches[0].supply;
        (supply.concurrency, supply.in_flight, supply.suspects_in_flight) = (None, 3, 3);
        assert_eq!(
            world.turn().wants,
            [want(1, 20, 0)],
            "and the others do not wait for them"
        );
    }

    #[tokio::test]
    async fn tells_when_to_look_again() {
        let at = |s| Timestamp::from_second(s).unwrap();
        let mut world = World::new(vec![batch(1, "default", 0, 0)], &[("default", 10)]);
        assert_eq!(world.turn(), Turn::default());
        world.active.next_start = Some(at(50));
        assert_eq!(world.turn().next_at, Some(at(50)));
        world.active.batches[0].supply.next_due = Some(at(20));
        assert_eq!(world.turn().next_at, Some(at(20)), "a retry");
        let supply = &mut world.active.batches[0].supply;
        (supply.fresh, supply.rate_per_s) = (10, Some(0.1));
        supply.bucket = Bucket::default().at(0.1, at(0)).minus(1);
        assert_eq!(
            world.turn(),
            Turn {
                wants: vec![],
                next_at: Some(at(10))
            },
            "a rate"
        );
    }
}

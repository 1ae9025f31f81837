//! The publisher: the only component that sends items to the fleet.
//!
//! It works in turns. A turn reads what is active, decides in pure code whose items go next and how many
//! ([`plan`]), claims them under a short lease, publishes them with confirms and marks the claims published. Any number
//! of publishers share the work: the claim is where they meet, in the database. A publisher that dies leaves claims
//! whose lease runs out; another one takes them over and publishes them again.
//!
//! Everything that limits a batch acts here: its concurrency and rate, ceilings over spaces and job types, its state and
//! its start. The plan respects them so that nothing of the fleet is reserved for what may not go; the claim enforces
//! them, under locks.
//!
//! Turns are driven by wake-ups (a batch was sealed here, an outcome was counted anywhere), by the time at which a retry,
//! a rate or a start lets more go, and by a slow poll as the safety net, because wake-ups may be lost.

mod drain;
mod fleet;
mod plan;
mod publish;
mod recover;
mod rooms;
mod wake;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use flotilla_core::limits::Ceilings;
use flotilla_core::ports::store::Claim;
use flotilla_core::ports::{Broker, Progress, Store};
use flotilla_core::trace::Propagator;
use flotilla_core::{Clock, Pool, Result, Shutdown, Space, Tasks};
use jiff::Timestamp;
use tokio::sync::Notify;
use tokio::time::Instant;

pub use recover::recover;

use self::fleet::Fleet;
use self::plan::{Plan, Sight};
use self::publish::Publishing;
use self::rooms::Rooms;
use self::wake::Wake;
use crate::callbacks::Callbacks;

/// What the publisher works with.
#[derive(Clone)]
pub struct Deps {
    /// Where items are claimed.
    pub store: Arc<dyn Store>,
    /// Where they go.
    pub broker: Arc<dyn Broker>,
    /// Where it hears of outcomes and of workers.
    pub progress: Arc<dyn Progress>,
    /// Tells when leases end.
    pub clock: Arc<dyn Clock>,
    /// Notified when a batch was sealed in this process.
    pub wake: Arc<Notify>,
    /// Continues the trace of the batch.
    pub trace: Arc<dyn Propagator>,
    /// What spaces and job types may have in flight, over all batches.
    pub ceilings: Arc<Ceilings>,
    /// How much of a busy fleet a space gets, compared to others. 1 where it is not named.
    pub weights: Arc<HashMap<Space, u32>>,
    /// Where items are completed that wait for a callback. Without it, none can.
    pub callbacks: Option<Callbacks>,
}

/// How the publisher works.
#[derive(Debug, Clone, Copy)]
pub struct Config {
    /// Items per turn at most.
    pub turn_items: u32,
    /// Bytes of inputs per turn at most, however long the longest input of a batch is.
    pub turn_bytes: u64,
    /// Turns that may be publishing at once, to each pool.
    pub turns_at_once: usize,
    /// How long a claim belongs to this publisher.
    pub lease: Duration,
    /// Batches looked at per turn, of each space in each pool; those with items in flight come on top.
    pub batches: u32,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            turn_items: 1_000,
            turn_bytes: 16 << 20,
            turns_at_once: 4,
            lease: Duration::from_secs(30),
            batches: 100,
        }
    }
}

/// How often claims of dead publishers are looked for.
const TAKE_OVER_EVERY: Duration = Duration::from_secs(5);
/// Claims taken over at once.
const TAKE_OVER_CLAIMS: u32 = 4;

/// Publishes until the shutdown drains; then finishes what it has claimed.
///
/// # Errors
/// Only where a background task panicked: engines that fail are tried again with backoff for as long as it takes.
pub async fn run(deps: Deps, config: Config, shutdown: Shutdown) -> Result<()> {
    let tasks = Tasks::new(shutdown.child());
    let wake = Wake::start(&deps, &tasks);
    let mut publisher = Publisher {
        publishing: Publishing::new(deps.clone(), config.lease),
        rooms: Rooms::new(config.turns_at_once, Arc::clone(&deps.wake)),
        fleet: Fleet::watch(Arc::clone(&deps.progress), Arc::clone(&deps.wake), &tasks),
        plan: Plan::new(config, Arc::clone(&deps.ceilings), Arc::clone(&deps.weights)),
        wake,
        deps,
        config,
        tasks: tasks.clone(),
        next_take_over: Instant::now(),
    };
    shutdown.until_draining(publisher.turns()).await;
    tasks.shutdown().drain();
    tasks.finish(config.lease).await.map_err(|error| {
        flotilla_core::Error::unavailable("publisher", "did not stop cleanly").because(error)
    })
}

struct Publisher {
    deps: Deps,
    config: Config,
    plan: Plan,
    fleet: Fleet,
    wake: Wake,
    publishing: Publishing,
    rooms: Rooms,
    tasks: Tasks,
    next_take_over: Instant,
}

/// What a turn came to.
struct Done {
    /// Items claimed.
    items: usize,
    /// When time alone will let more go.
    next_at: Option<Timestamp>,
}

impl Publisher {
    async fn turns(&mut self) {
        loop {
            // Before looking, so that a wake-up which comes while looking is not lost.
            let woken = self.wake.listen();
            match self.turn().await {
                Ok(Done { items: 0, next_at }) => {
                    let wait = next_at.map(|at| at.duration_since(self.deps.clock.now()));
                    // Not in the past, where it is a matter of rounding.
                    let wait = wait.map(|wait| Duration::try_from(wait).unwrap_or_default());
                    self.wake.sleep(woken, wait).await;
                }
                Ok(_) => self.wake.worked().await,
                Err(error) => {
                    self.wake.failed(&error).await;
                }
            }
        }
    }

    async fn turn(&mut self) -> Result<Done> {
        // Before claiming: it must not end after the lease.
        let deadline = Instant::now() + self.config.lease;
        let (mut claims, mut next_at) = (self.take_over().await?, None);
        if claims.is_empty() {
            (claims, next_at) = self.claim().await?;
        }
        let items = claims.iter().map(|claim| claim.items.len()).sum();
        self.publish(claims, deadline);
        Ok(Done { items, next_at })
    }

    /// Each pool apart, so that one whose queue is broken or silent neither holds up another nor repeats its items.
    fn publish(&mut self, claims: Vec<Claim>, deadline: Instant) {
        let mut pools: HashMap<Pool, Vec<Claim>> = HashMap::new();
        for claim in claims {
            pools.entry(claim.spec.pool.clone()).or_default().push(claim);
        }
        for (pool, claims) in pools {
            let Some(room) = self.rooms.enter(&pool) else {
                // Taken over for a pool that is stuck. Their new lease will run out, too.
                tracing::debug!(%pool, claims = claims.len(), "a pool has no room for claims that were taken over");
                continue;
            };
            let publishing = self.publishing.clone();
            self.tasks.spawn("publish", async move {
                publishing.publish(&pool, claims, deadline).await;
                drop(room);
            });
        }
    }

    async fn claim(&mut self) -> Result<(Vec<Claim>, Option<Timestamp>)> {
        let (store, now) = (&self.deps.store, self.deps.clock.now());
        let ceilings = &self.deps.ceilings;
        let active = store.active_batches(self.config.batches, ceilings, now).await?;
        let turn = self.plan.turn(&Sight {
            active: &active,
            crews: &self.fleet.crews(),
            busy: &|pool| !self.rooms.has_room(pool),
            now,
            instant: Instant::now(),
        });
        if turn.wants.is_empty() {
            return Ok((Vec::new(), turn.next_at));
        }
        let claims = store.claim(&turn.wants, ceilings, self.config.lease, now).await?;
        self.plan.claimed(&claims);
        Ok((claims, turn.next_at))
    }

    async fn take_over(&mut self) -> Result<Vec<Claim>> {
        if Instant::now() < self.next_take_over {
            return Ok(Vec::new());
        }
        let claims = self
            .deps
            .store
            .take_over(self.config.lease, TAKE_OVER_CLAIMS, self.deps.clock.now())
            .await?;
        if claims.is_empty() {
            self.next_take_over = Instant::now() + TAKE_OVER_EVERY;
        } else {
            tracing::info!(
                claims = claims.len(),
                "publishing again what another publisher left unfinished"
            );
        }
        Ok(claims)
    }
}

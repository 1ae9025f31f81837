//! The publisher: the only component that sends items to the fleet.
//!
//! It works in turns. A turn reads what is active, decides in pure code whose items go next and how many
//! ([`plan`]), claims them under a short lease, publishes them with confirms and marks the claims published. Any number
//! of publishers share the work: the claim is where they meet, in the database. A publisher that dies leaves claims
//! whose lease runs out; another one takes them over and publishes them again.
//!
//! Turns are driven by wake-ups (a batch was sealed here, an outcome was counted anywhere) with a slow poll as the
//! safety net, because wake-ups may be lost.

mod drain;
mod fleet;
mod plan;
mod publish;
mod recover;
mod wake;

use std::sync::Arc;
use std::time::Duration;

use flotilla_core::ports::store::Claim;
use flotilla_core::ports::{Broker, Progress, Store};
use flotilla_core::trace::Propagator;
use flotilla_core::{Clock, Result, Shutdown, Tasks};
use tokio::sync::{Notify, Semaphore};
use tokio::time::Instant;

pub use recover::recover;

use self::fleet::Fleet;
use self::plan::Plan;
use self::publish::Publishing;
use self::wake::Wake;

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
}

/// How the publisher works.
#[derive(Debug, Clone, Copy)]
pub struct Config {
    /// Items per turn at most.
    pub turn_items: u32,
    /// Bytes of inputs per turn at most, however long the longest input of a batch is.
    pub turn_bytes: u64,
    /// Turns that may be publishing at once.
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
        room: Arc::new(Semaphore::new(config.turns_at_once)),
        fleet: Fleet::new(Arc::clone(&deps.progress)),
        plan: Plan::new(config),
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
    /// One permit per turn that is being published: bounds memory, and slows claiming down to the broker's speed.
    room: Arc<Semaphore>,
    tasks: Tasks,
    next_take_over: Instant,
}

impl Publisher {
    async fn turns(&mut self) {
        loop {
            // Before looking, so that a wake-up which comes while looking is not lost.
            let woken = self.wake.listen();
            match self.turn().await {
                Ok(0) => self.wake.sleep(woken).await,
                Ok(_) => self.wake.worked().await,
                Err(error) => {
                    self.wake.failed(&error).await;
                }
            }
        }
    }

    /// Answers how many items it claimed.
    async fn turn(&mut self) -> Result<usize> {
        let room = Arc::clone(&self.room).acquire_owned().await;
        // Before claiming: it must not end after the lease.
        let deadline = Instant::now() + self.config.lease;
        let mut claims = self.take_over().await?;
        if claims.is_empty() {
            claims = self.claim().await?;
        }
        let items = claims.iter().map(|claim| claim.items.len()).sum();
        if items > 0 {
            let publishing = self.publishing.clone();
            self.tasks.spawn("publish", async move {
                publishing.publish(claims, deadline).await;
                drop(room);
            });
        }
        Ok(items)
    }

    async fn claim(&mut self) -> Result<Vec<Claim>> {
        let active = self.deps.store.active_batches(self.config.batches).await?;
        let slots = self.fleet.slots().await;
        let wants = self.plan.wants(&active, slots, Instant::now());
        if wants.is_empty() {
            return Ok(Vec::new());
        }
        self.deps
            .store
            .claim(&wants, self.config.lease, self.deps.clock.now())
            .await
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

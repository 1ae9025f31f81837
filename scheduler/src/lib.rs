//! The scheduler: turns reports into counts, and counts into results.
//!
//! One task per report shard ([`aggregate`]) coalesces reports into one transaction of the store, writes the snapshots
//! that follow from it to the live view, and only then acknowledges the reports: a crash anywhere means that reports are
//! delivered again and change nothing. Dead letters become failed outcomes the same way ([`dead`]). Next to them,
//! [`reconcile`] repairs, task by task, what crashes and lost messages leave behind.
//!
//! Any number of schedulers may run. Of a shard's consumers the broker keeps one active; but nothing depends on it,
//! because the store decides what counts.

mod aggregate;
mod dead;
mod deliveries;
mod publish;
pub mod reconcile;
mod record;
mod running;

use std::sync::Arc;
use std::time::Duration;

use flotilla_core::ports::{Broker, Progress, Store};
use flotilla_core::shard::Shard;
use flotilla_core::trace::Propagator;
use flotilla_core::{Clock, Error, Result, Shutdown, Tasks};

pub use self::running::RunningItems;

/// What the scheduler works with.
#[derive(Clone)]
pub struct Deps {
    /// Where outcomes are counted.
    pub store: Arc<dyn Store>,
    /// Where reports come from.
    pub broker: Arc<dyn Broker>,
    /// Where progress is shown.
    pub progress: Arc<dyn Progress>,
    /// Tells when things happened.
    pub clock: Arc<dyn Clock>,
    /// Continues the trace of an item.
    pub trace: Arc<dyn Propagator>,
}

/// How the scheduler works.
#[derive(Debug, Clone, Copy)]
pub struct Config {
    /// Report queues. The same for every process of a deployment.
    pub shards: u16,
    /// Reports that are fetched ahead per shard, and the most that one transaction takes.
    pub prefetch: u16,
    /// How long a worker is shown after its last heartbeat.
    pub worker_ttl: Duration,
    /// How long an upload may be silent before it is removed.
    pub upload_ttl: Duration,
    /// How long the tasks may take to finish at shutdown.
    pub drain: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            shards: 2,
            prefetch: 64,
            worker_ttl: Duration::from_secs(15),
            upload_ttl: Duration::from_secs(120),
            drain: Duration::from_secs(20),
        }
    }
}

/// Runs until the shutdown.
///
/// # Errors
/// Where a background task panicked: engines that fail are tried again with backoff for as long as it takes.
pub async fn run(deps: Deps, config: Config, shutdown: Shutdown) -> Result<()> {
    let tasks = Tasks::new(shutdown.child());
    let running = RunningItems::default();
    for shard in Shard::all(config.shards) {
        let aggregate = aggregate::Aggregate::new(deps.clone(), config, shard, running.clone());
        let shutdown = tasks.shutdown().clone();
        tasks.spawn("aggregate", aggregate.run(shutdown));
    }
    tasks.spawn(
        "dead letters",
        dead::run(deps.clone(), running.clone(), tasks.shutdown().clone()),
    );
    reconcile::start(&deps, config, &running, &tasks);
    tasks.shutdown().draining().await;
    let finished = tasks.finish(config.drain).await;
    finished.map_err(|error| Error::unavailable("scheduler", "did not stop cleanly").because(error))
}

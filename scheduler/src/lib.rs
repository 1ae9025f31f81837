//! The scheduler: turns reports into counts, and counts into results.
//!
//! One task per report shard ([`aggregate`]) coalesces reports into one transaction of the store, writes the snapshots
//! that follow from it to the live view, and only then acknowledges the reports: a crash anywhere means that reports are
//! delivered again and change nothing. Dead letters become failed outcomes the same way ([`dead`]). Next to them,
//! [`reconcile`] does, task by task, what nobody asks for at the moment that it is due: it ends what was cancelled, lets
//! time run out, and repairs what crashes and lost messages leave behind.
//!
//! Any number of schedulers may run. Of a shard's consumers the broker keeps one active; but nothing depends on it,
//! because the store decides what counts.

mod aggregate;
mod archive;
mod count;
mod dead;
mod deliveries;
mod items_file;
mod live_view;
mod publish;
pub mod reconcile;
mod record;

use std::sync::Arc;
use std::time::Duration;

use flotilla_core::ports::broker::Topology;
use flotilla_core::ports::{Broker, Objects, Progress, Store};
use flotilla_core::shard::{DEFAULT_SHARDS, Shard};
use flotilla_core::trace::Propagator;
use flotilla_core::{Clock, Error, Pool, Result, Shutdown, Tasks};
use tokio::sync::Notify;

use self::count::Counter;
use self::deliveries::Ending;
pub use self::live_view::LiveView;

/// What the scheduler works with.
#[derive(Clone)]
pub struct Deps {
    /// Where outcomes are counted.
    pub store: Arc<dyn Store>,
    /// Where reports come from.
    pub broker: Arc<dyn Broker>,
    /// Where progress is shown.
    pub progress: Arc<dyn Progress>,
    /// Where long outputs are, to be removed with their batch, and where archives go.
    pub objects: Objects,
    /// Tells when things happened.
    pub clock: Arc<dyn Clock>,
    /// Continues the trace of an item.
    pub trace: Arc<dyn Propagator>,
}

/// How the scheduler works.
#[derive(Debug, Clone)]
pub struct Config {
    /// The queues of the deployment. The same for every process of it.
    pub topology: Topology,
    /// Reports that are fetched ahead per shard, and the most that one transaction takes.
    pub prefetch: u16,
    /// How long a worker is shown after its last heartbeat.
    pub worker_ttl: Duration,
    /// How long an upload may be silent before it is removed.
    pub upload_ttl: Duration,
    /// How long a batch that stays open may be untouched before it is removed.
    pub open_ttl: Duration,
    /// How long workers may take to stop items of a batch that is being cancelled. Then they are cancelled without them.
    pub cancel_grace: Duration,
    /// How long batches are kept after their end. Without it, for ever.
    pub keep: Option<Duration>,
    /// How long the tasks may take to finish at shutdown.
    pub drain: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            topology: Topology {
                pools: vec![Pool::default()],
                shards: DEFAULT_SHARDS,
            },
            prefetch: 64,
            worker_ttl: Duration::from_secs(15),
            upload_ttl: Duration::from_secs(120),
            open_ttl: Duration::from_secs(24 * 3600),
            cancel_grace: Duration::from_secs(10),
            keep: None,
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
    let (view, ended) = (LiveView::default(), Arc::new(Notify::new()));
    let counter = |what| Counter {
        deps: deps.clone(),
        view: view.clone(),
        ending: Ending::new(deps.broker.as_ref(), tasks.shutdown().clone()),
        ended: Arc::clone(&ended),
        what,
    };
    for shard in Shard::all(config.topology.shards) {
        let aggregate = aggregate::Aggregate::new(counter("a report"), &config, shard);
        tasks.spawn("aggregate", aggregate.run());
    }
    tasks.spawn("dead letters", dead::run(counter("a dead letter")));
    reconcile::start(&deps, &config, &view, &ended, &tasks);
    tasks.shutdown().draining().await;
    let finished = tasks.finish(config.drain).await;
    finished.map_err(|error| Error::unavailable("scheduler", "did not stop cleanly").because(error))
}

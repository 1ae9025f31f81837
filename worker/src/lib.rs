//! The worker: takes items from the broker, runs their handlers, reports what became of them.
//!
//! An item is a delivery from the moment it is taken until its outcome is safe with the broker; only then is it
//! acknowledged. So an item is never lost, and it is run twice only after a fault:
//!
//! - `intake` takes deliveries, as many as the prefetch allows, and starts them when there is a slot. What must not start
//!   is given back: `steering` knows which batches are paused or cancelled. What workers may have been lost with is
//!   reported as that, comes again over an isolation queue, and runs alone;
//! - `runner` makes one task of an item: [`attempt()`] keeps the handler within its time, long outputs and files go to
//!   object storage, `lease` settles the deliveries of items that take long;
//! - `report` gathers what became of items, publishes it, and acknowledges the deliveries afterwards. When it can't
//!   publish, it fills up, runners keep their slots, and nothing more is taken: memory stays bounded;
//! - `heartbeat` says what runs.
//!
//! The worker never decides whether an item is attempted again: it says how the attempt went, and the ledger decides.
//!
//! A shutdown has two stages. Draining: nothing new is taken, what has not started is given back, what runs finishes and
//! is reported. Aborting, or after the time for draining: handlers are stopped, with all processes that they started, and
//! their items are given back. Giving back is a report, too: the broker counts a delivery that comes back unsettled
//! against the item.
//!
//! Handlers are described by job types, or are brought by the program that embeds the worker: see [`Handler`].

mod activity;
mod artifacts;
mod attempt;
mod backoff;
mod config;
pub mod flight_recorder;
pub mod handlers;
mod heartbeat;
mod intake;
mod item;
mod lease;
mod orders;
mod process;
mod registry;
mod report;
mod results;
mod runner;
mod steering;
mod ticket;

pub use artifacts::NewArtifact;
pub use attempt::attempt;
pub use config::{Config, Deps};
pub use handlers::Handler;
pub use item::ItemContext;
pub use registry::Registry;
pub use results::Results;

use std::sync::Arc;
use std::time::Duration;

use flotilla_core::worker::WorkerStatus;
use flotilla_core::{Error, Shutdown, Tasks};
use tokio_util::sync::CancellationToken;

use crate::activity::Activity;
use crate::artifacts::Exports;
use crate::flight_recorder::FlightRecorder;
use crate::heartbeat::Heartbeat;
use crate::intake::{Ended, Intake, Queues};
use crate::orders::{Drain, Orders};
use crate::report::Reporter;
use crate::runner::Runner;
use crate::steering::Helm;

/// Who speaks in the errors of a worker.
const ENGINE: &str = "worker";

/// What the last heartbeat gets to leave.
const FAREWELL: Duration = Duration::from_secs(6);

/// Runs a worker until `shutdown`, then drains it.
///
/// # Errors
/// Where it can't start (a job type that can't work, a queue that does not exist), where the broker is closed for good,
/// or where a part of it ended badly.
pub async fn run(deps: Deps, config: Config, shutdown: Shutdown) -> Result<(), Error> {
    config.check()?;
    let mut registry = Registry::from_job_types(&config.job_types)?;
    registry.extend(config.handlers.clone());
    let shutdown = shutdown.child();
    let recorder = flight_recorder(&config);
    let queues = Queues {
        broker: Arc::clone(&deps.broker),
        pools: config.pools.clone(),
        prefetch: config.prefetch(),
    };
    let Some(deliveries) = queues.subscribe(&shutdown).await? else {
        return Ok(());
    };

    let (activity, tasks) = (Activity::default(), Tasks::new(shutdown.clone()));
    // What has to go on until the last item has ended.
    let (over, companions) = (CancellationToken::new(), Tasks::new(Shutdown::new()));
    let (orders, drain) = Orders::new(Arc::clone(&deps.progress), deps.id.clone());
    companions.spawn("orders", orders.run(over.clone()));
    let heartbeat = heartbeat(&deps, &config, activity.clone(), shutdown.clone(), drain.clone());
    companions.spawn("heartbeat", heartbeat.run(over.clone()));
    let helm = Helm::new(deps.progress);
    companions.spawn("events", Arc::clone(&helm).listen(over.clone()));
    companions.spawn("steering", Arc::clone(&helm).refresh(over.clone()));
    let exports = Exports::new(deps.objects.clone(), deps.id.clone(), config.max_artifact_bytes);
    let (reporter, finished) = Reporter::new(deps.broker, deps.id, config.shards);
    tasks.spawn("reporter", reporter.run(shutdown.clone()));
    let runner = Arc::new(Runner {
        registry: registry.clone(),
        objects: deps.objects,
        exports: Arc::new(exports),
        clock: deps.clock,
        trace: deps.trace,
        inline_output_bytes: config.inline_output_bytes,
        terms: config.terms(),
        recorder,
        activity,
        tasks: tasks.clone(),
        finished,
    });
    let intake = Intake::new(deliveries, runner, helm, &config);
    let taking = tasks.spawn("intake", intake.run(queues, drain));

    // Ends at a drain, when the broker is closed, or in a panic, which drains.
    let taken = taking.await.ok().flatten();
    shutdown.drain();
    tracing::info!("draining: finishing what runs, for at most {:?}", config.drain);
    let ended = tasks.finish(config.drain).await;
    registry.close().await;
    over.cancel();
    let last_words = companions.finish(FAREWELL).await;
    if taken == Some(Ended::Closed) {
        return Err(Error::unavailable(
            ENGINE,
            "the broker ended the subscription to items",
        ));
    }
    ended
        .and(last_words)
        .map_err(|unfinished| Error::unavailable(ENGINE, "did not stop cleanly").because(unfinished))
}

/// Opens the flight recorder. Without it items run as well.
fn flight_recorder(config: &Config) -> Option<FlightRecorder> {
    let path = config.flight_recorder.as_deref()?;
    let created = FlightRecorder::create(path, config.concurrency);
    created
        .inspect_err(|error| {
            let path = path.display();
            tracing::warn!(%error, "can't write {path}: should this process be killed, nobody will know by which item");
        })
        .ok()
}

fn heartbeat(
    deps: &Deps,
    config: &Config,
    activity: Activity,
    shutdown: Shutdown,
    drain: Drain,
) -> Heartbeat {
    let now = deps.clock.now();
    Heartbeat {
        broker: Arc::clone(&deps.broker),
        clock: Arc::clone(&deps.clock),
        activity,
        every: config.heartbeat,
        shutdown,
        drain,
        status: WorkerStatus {
            id: deps.id.clone(),
            pools: config.pools.clone(),
            concurrency: config.concurrency,
            running: Vec::new(),
            held: 0,
            holding: Some(Vec::new()),
            doing: Vec::new(),
            draining: false,
            started_at: now,
            seen_at: now,
            version: env!("CARGO_PKG_VERSION").to_owned(),
        },
    }
}

//! The worker: takes items from the broker, runs their handlers, reports what became of them.
//!
//! An item is a delivery from the moment it is taken until its outcome is safe with the broker; only then is it
//! acknowledged. So an item is never lost, and it is run twice only after a fault:
//!
//! - `intake` takes a delivery when there is a permit to run it;
//! - `runner` makes one task of it: [`attempt()`] keeps the handler within its time, long outputs go to
//!   object storage;
//! - `report` gathers outcomes, publishes them, and acknowledges the deliveries afterwards. When it can't publish, it
//!   fills up, runners keep their permits, and nothing more is taken: memory stays bounded;
//! - `heartbeat` says what runs.
//!
//! A shutdown has two stages. Draining: nothing new is taken, what runs finishes and is reported. Aborting, or after
//! the time for draining: handlers are stopped, with all processes that they started, and their items are given back.
//!
//! Handlers are described by job types, or are brought by the program that embeds the worker: see [`Handler`].

mod activity;
mod attempt;
mod backoff;
mod config;
pub mod handlers;
mod heartbeat;
mod intake;
mod item;
mod process;
mod registry;
mod report;
mod runner;
mod ticket;

pub use attempt::attempt;
pub use config::{Config, Deps};
pub use handlers::Handler;
pub use item::ItemContext;
pub use registry::Registry;

use std::sync::Arc;
use std::time::Duration;

use flotilla_core::worker::WorkerStatus;
use flotilla_core::{Error, Shutdown, Tasks};
use tokio_util::sync::CancellationToken;

use crate::activity::Activity;
use crate::heartbeat::Heartbeat;
use crate::intake::Ended;
use crate::report::Reporter;
use crate::runner::Runner;

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
    let broker = Arc::clone(&deps.broker);
    let subscribed = intake::subscribe(broker.as_ref(), &config.pools, config.prefetch(), &shutdown).await?;
    let Some(deliveries) = subscribed else {
        return Ok(());
    };

    let (activity, tasks) = (Activity::default(), Tasks::new(shutdown.clone()));
    let (over, farewells) = (CancellationToken::new(), Tasks::new(Shutdown::new()));
    farewells.spawn(
        "heartbeat",
        heartbeat(&deps, &config, activity.clone()).run(over.clone()),
    );
    let (reporter, finished) = Reporter::new(broker, deps.id, config.shards);
    tasks.spawn("reporter", reporter.run(shutdown.clone()));
    let runner = Arc::new(Runner {
        registry: registry.clone(),
        objects: deps.objects,
        clock: deps.clock,
        trace: deps.trace,
        inline_output_bytes: config.inline_output_bytes,
        activity,
        tasks: tasks.clone(),
        finished,
    });
    let taking = tasks.spawn(
        "intake",
        intake::take_items(deliveries, runner, config.concurrency),
    );

    // Ends at a drain, when the broker is closed, or in a panic, which drains.
    let taken = taking.await.ok().flatten();
    shutdown.drain();
    tracing::info!("draining: finishing what runs, for at most {:?}", config.drain);
    let ended = tasks.finish(config.drain).await;
    registry.close().await;
    over.cancel();
    let last_words = farewells.finish(FAREWELL).await;
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

fn heartbeat(deps: &Deps, config: &Config, activity: Activity) -> Heartbeat {
    let now = deps.clock.now();
    Heartbeat {
        broker: Arc::clone(&deps.broker),
        clock: Arc::clone(&deps.clock),
        activity,
        every: config.heartbeat,
        status: WorkerStatus {
            id: deps.id.clone(),
            pools: config.pools.clone(),
            concurrency: config.concurrency,
            running: Vec::new(),
            held: 0,
            started_at: now,
            seen_at: now,
            version: env!("CARGO_PKG_VERSION").to_owned(),
        },
    }
}

//! `flotilla worker`: runs items. It needs the broker, object storage, and to read the live view, which tells it what is
//! paused or cancelled. It never opens the store.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Result;
use flotilla_core::Pool;
use flotilla_core::ports::{Broker, Objects, Progress};

use super::{Context, shared};
use crate::lifecycle::Crew;
use crate::settings::Settings;

/// What a worker works with.
pub(crate) struct Engines {
    pub(crate) broker: Arc<dyn Broker>,
    pub(crate) progress: Arc<dyn Progress>,
    pub(crate) objects: Objects,
}

/// Runs the role alone.
pub(crate) async fn run(settings: &Settings, context: &Context) -> Result<()> {
    shared::require(settings, "worker", shared::NO_STORE)?;
    let composer = context.composer(settings);
    let engines = Engines {
        broker: composer.broker("flotilla worker").await?,
        progress: composer.progress().await?,
        objects: composer.objects().await?,
    };
    let mut crew = Crew::new(context.shutdown.clone());
    start(&mut crew, engines, settings, context, settings.worker.own_pools());
    context.run(crew, settings).await
}

/// Starts it.
pub(crate) fn start(
    crew: &mut Crew,
    engines: Engines,
    settings: &Settings,
    context: &Context,
    pools: Vec<Pool>,
) {
    let id = context.ids.worker(&host());
    tracing::info!(worker = %id, concurrency = settings.worker.concurrency, "worker starts");
    // Other brokers count deliveries themselves, and have other workers.
    let is_volatile = engines.broker.is_volatile();
    let defaults = flotilla_worker::Config::default();
    let deps = flotilla_worker::Deps {
        broker: engines.broker,
        progress: engines.progress,
        objects: engines.objects,
        clock: Arc::clone(&context.clock),
        trace: Arc::clone(&context.trace),
        id,
    };
    let config = flotilla_worker::Config {
        pools,
        concurrency: settings.worker.concurrency,
        prefetch: settings.worker.prefetch,
        shards: settings.shards,
        job_types: Arc::new(settings.job_types.clone()),
        drain: settings.drain,
        flight_recorder: is_volatile.then(|| flight_recorder(settings)),
        elsewhere_after: defaults.elsewhere_after.filter(|_| !is_volatile),
        ..defaults
    };
    crew.start("worker", |shutdown| async move {
        Ok(flotilla_worker::run(deps, config, shutdown).await?)
    });
}

/// Where the worker notes what it runs, for the next start of a process with an embedded broker.
pub(crate) fn flight_recorder(settings: &Settings) -> PathBuf {
    settings.data.join("running")
}

/// The machine's name, to be found again in lists of workers.
fn host() -> String {
    let name = rustix::system::uname();
    let name = name.nodename().to_string_lossy();
    let short: String = name
        .chars()
        .filter(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_'))
        .take(100)
        .collect();
    if short.is_empty() {
        "host".to_owned()
    } else {
        short
    }
}

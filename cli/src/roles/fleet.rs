//! All roles in one process: `flotilla up` and `flotilla run`.

use std::sync::Arc;

use anyhow::{Context as _, Result};
use flotilla_api::publisher;
use flotilla_core::Pool;
use flotilla_core::ports::{Broker, Objects, Progress, Store};
use flotilla_worker::flight_recorder;
use tokio::net::TcpListener;
use tokio::sync::Notify;

use super::{Context, api, quiet, scheduler, worker};
use crate::lifecycle::Crew;
use crate::settings::Settings;

/// The engines of a process that has every role.
#[derive(Clone)]
pub(crate) struct Engines {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) broker: Arc<dyn Broker>,
    pub(crate) progress: Arc<dyn Progress>,
    pub(crate) objects: Objects,
}

impl Engines {
    /// Opens them, with schema and queues brought up to date, and recovers what a volatile broker has forgotten.
    pub(crate) async fn prepare(settings: &Settings, context: &Context) -> Result<Self> {
        let composer = context.composer(settings);
        let engines = Self {
            store: composer.migrated_store().await?,
            broker: composer.declared_broker("flotilla up").await?,
            progress: composer.progress().await?,
            objects: composer.objects().await?,
        };
        if engines.broker.is_volatile() {
            // The worker notes there what it runs, wherever the store is.
            std::fs::create_dir_all(&settings.data).with_context(|| {
                format!(
                    "can't create the folder {}; choose another with --data",
                    settings.data.display()
                )
            })?;
            let running = flight_recorder::landed(&worker::flight_recorder(settings));
            let items = publisher::recover(engines.store.as_ref(), context.clock.as_ref(), running).await?;
            if items > 0 {
                tracing::info!(
                    items,
                    "going on with items that were under way when the last process ended"
                );
            }
        }
        Ok(engines)
    }
}

/// Starts every role. They stop in the order in which an item passes them, so that what runs is finished and counted;
/// the API is last, so that progress can be read meanwhile.
///
/// # Errors
/// Where the store can't be read.
pub(crate) async fn start(
    engines: &Engines,
    settings: &Settings,
    context: &Context,
    pools: Vec<Pool>,
    listener: TcpListener,
) -> Result<Crew> {
    let callbacks = api::callbacks(engines.store.as_ref(), settings, listener.local_addr()?).await?;
    let mut crew = Crew::new(context.shutdown.clone());
    context.follow_clock(&engines.store, &mut crew).await?;
    let wake = Arc::new(Notify::new());
    api::start_publisher(&mut crew, engines, settings, context, &wake, callbacks);
    let work = worker::Engines {
        broker: Arc::clone(&engines.broker),
        progress: Arc::clone(&engines.progress),
        objects: engines.objects.clone(),
    };
    worker::start(&mut crew, work, settings, context, pools);
    crew.then(quiet::reports_taken(Arc::clone(&engines.broker), settings.shards));
    scheduler::start(&mut crew, engines, settings, context);
    api::start_server(&mut crew, engines, settings, context, &wake, listener);
    Ok(crew)
}

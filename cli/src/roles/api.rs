//! `flotilla api`: takes batches in, answers questions about them, and publishes their items.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use flotilla_api::{Callbacks, publisher};
use flotilla_core::ports::Store;
use tokio::net::TcpListener;
use tokio::sync::Notify;

use super::{Context, fleet, shared};
use crate::lifecycle::Crew;
use crate::settings::Settings;

/// Runs the role alone.
pub(crate) async fn run(settings: &Settings, context: &Context) -> Result<()> {
    let address = settings.listen.for_api()?;
    shared::require(settings, "api", shared::ALL)?;
    let listener = bind(address).await?;
    let composer = context.composer(settings);
    let engines = fleet::Engines {
        store: composer.store().await?,
        broker: composer.broker("flotilla api").await?,
        progress: composer.progress().await?,
        objects: composer.objects().await?,
    };
    let mut crew = Crew::new(context.shutdown.clone());
    context.follow_clock(&engines.store, &mut crew).await?;
    let wake = Arc::new(Notify::new());
    let address = listener.local_addr()?;
    tracing::info!(listen = %address, "api starts");
    let callbacks = callbacks(engines.store.as_ref(), settings, address).await?;
    start_publisher(&mut crew, &engines, settings, context, &wake, callbacks);
    start_server(&mut crew, &engines, settings, context, &wake, listener);
    context.run(crew, settings).await
}

/// Takes the port, before anything slow happens: that it is taken should be known at once.
pub(crate) async fn bind(address: SocketAddr) -> Result<TcpListener> {
    TcpListener::bind(address)
        .await
        .with_context(|| format!("can't listen on {address}; choose another address with --listen"))
}

/// Where items are completed that wait for a callback, signed as every process of this deployment does it.
pub(crate) async fn callbacks(
    store: &dyn Store,
    settings: &Settings,
    address: SocketAddr,
) -> Result<Callbacks> {
    let secret = store
        .secret()
        .await
        .context("can't read the key that callbacks are signed with")?;
    Ok(Callbacks::new(&settings.public_url.or_address(address), secret))
}

/// Starts the publisher.
pub(crate) fn start_publisher(
    crew: &mut Crew,
    engines: &fleet::Engines,
    settings: &Settings,
    context: &Context,
    wake: &Arc<Notify>,
    callbacks: Callbacks,
) {
    let deps = publisher::Deps {
        store: Arc::clone(&engines.store),
        broker: Arc::clone(&engines.broker),
        progress: Arc::clone(&engines.progress),
        clock: Arc::clone(&context.clock),
        wake: Arc::clone(wake),
        trace: Arc::clone(&context.trace),
        ceilings: Arc::new(settings.ceilings()),
        weights: Arc::new(settings.spaces.weights.clone()),
        callbacks: Some(callbacks),
    };
    crew.start("publisher", |shutdown| async move {
        Ok(publisher::run(deps, publisher::Config::default(), shutdown).await?)
    });
}

/// Starts the HTTP server.
pub(crate) fn start_server(
    crew: &mut Crew,
    engines: &fleet::Engines,
    settings: &Settings,
    context: &Context,
    wake: &Arc<Notify>,
    listener: TcpListener,
) {
    let engines = engines.clone();
    let (context, wake) = (context.clone(), Arc::clone(wake));
    let job_types = Arc::new(settings.job_types.clone());
    let ceilings = Arc::new(settings.ceilings());
    let schemas = Arc::clone(&settings.schemas);
    let config = flotilla_api::Config {
        drain: settings.drain,
        ..settings.api.clone()
    };
    crew.start("api", |shutdown| async move {
        let tasks = flotilla_core::Tasks::new(shutdown);
        let deps = flotilla_api::Deps {
            store: engines.store,
            progress: engines.progress,
            objects: engines.objects,
            broker: Some(engines.broker),
            job_types,
            ceilings,
            schemas,
            clock: context.clock,
            ids: context.ids,
            tasks: tasks.clone(),
            wake,
            trace: context.trace,
        };
        let drain = config.drain;
        flotilla_api::serve(listener, deps, config, &tasks).await?;
        Ok(tasks.finish(drain).await?)
    });
}

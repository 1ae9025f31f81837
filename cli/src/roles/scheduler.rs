//! `flotilla scheduler`: counts outcomes, finalizes batches, repairs.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;

use super::{Context, fleet, shared};
use crate::lifecycle::Crew;
use crate::settings::Settings;

/// What a client sent last may take so long to arrive in the store. An upload is abandoned when it was silent for longer
/// than an API lets it be, and this.
const UPLOAD_MARGIN: Duration = Duration::from_secs(90);

/// Runs the role alone.
pub(crate) async fn run(settings: &Settings, context: &Context) -> Result<()> {
    shared::require(settings, "scheduler", shared::ALL)?;
    let composer = context.composer(settings);
    let engines = fleet::Engines {
        store: composer.store().await?,
        broker: composer.mended_broker("flotilla scheduler").await?,
        progress: composer.progress().await?,
        objects: composer.objects().await?,
    };
    let mut crew = Crew::new(context.shutdown.clone());
    context.follow_clock(&engines.store, &mut crew).await?;
    start(&mut crew, &engines, settings, context);
    context.run(crew, settings).await
}

/// Starts it.
pub(crate) fn start(crew: &mut Crew, engines: &fleet::Engines, settings: &Settings, context: &Context) {
    let deps = flotilla_scheduler::Deps {
        store: Arc::clone(&engines.store),
        broker: Arc::clone(&engines.broker),
        progress: Arc::clone(&engines.progress),
        objects: engines.objects.clone(),
        clock: Arc::clone(&context.clock),
        trace: Arc::clone(&context.trace),
    };
    let config = flotilla_scheduler::Config {
        topology: settings.topology(),
        keep: settings.keep,
        drain: settings.drain,
        upload_ttl: settings.api.upload_idle_timeout.saturating_add(UPLOAD_MARGIN),
        open_ttl: settings.open_ttl,
        cancel_grace: settings.cancel_grace,
        ..flotilla_scheduler::Config::default()
    };
    crew.start("scheduler", |shutdown| async move {
        Ok(flotilla_scheduler::run(deps, config, shutdown).await?)
    });
}

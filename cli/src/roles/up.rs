//! `flotilla up`: all roles in one process.

use anyhow::Result;

use super::{Context, api, fleet, shared};
use crate::output::meter;
use crate::settings::Settings;

/// Runs it.
pub(crate) async fn run(settings: &Settings, context: &Context) -> Result<()> {
    shared::require_one_world(settings)?;
    let listener = api::bind(settings.listen.for_up()?).await?;
    let engines = fleet::Engines::prepare(settings, context).await?;
    let address = listener.local_addr()?;
    let pools = match &settings.worker.pools {
        Some(pools) => pools.clone(),
        // Nobody else would work on the others.
        None => settings.worker.all_pools(&settings.job_types),
    };
    let crew = fleet::start(&engines, settings, context, pools, listener).await?;
    announce(settings, &address.to_string());
    context.run(crew, settings).await
}

fn announce(settings: &Settings, address: &str) {
    let engines = &settings.engines;
    let names: Vec<&str> = settings.job_types.names().collect();
    meter::line(&format!(
        "Flotilla is up at http://{address}\n  \
           data      {}\n  store     {}\n  broker    {}\n  progress  {}\n  objects   {}\n  \
           job types {}\n  \
         Try: flotilla submit FILE --job-type echo --watch --server http://{address}",
        settings.data.display(),
        engines.store,
        engines.broker,
        engines.progress,
        engines.objects,
        names.join(", "),
    ));
}

//! `flotilla migrate`: brings the schema and the queues of a deployment up to date. Safe to run again, and while the
//! deployment runs.

use anyhow::Result;

use super::{Context, shared};
use crate::output;
use crate::settings::Settings;

/// Runs it, and says what was done.
pub(crate) async fn run(settings: &Settings, context: &Context) -> Result<()> {
    shared::require(settings, "migrate", shared::STORE_AND_BROKER)?;
    let composer = context.composer(settings);
    composer.migrated_store().await?;
    output::print(&format!("schema is up to date: {}", settings.engines.store))?;
    composer.declared_broker("flotilla migrate").await?;
    let broker = &settings.engines.broker;
    let declared = settings.topology().queues();
    let names: Vec<String> = declared.iter().map(ToString::to_string).collect();
    let parking = broker.parking_queue().map(str::to_owned);
    let names: Vec<String> = names.into_iter().chain(parking).collect();
    output::print(&format!("{} queues are declared: {broker}", names.len()))?;
    for name in names {
        output::print(&format!("  {name}"))?;
    }
    Ok(())
}

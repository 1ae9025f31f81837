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
    let topology = settings.topology();
    output::print(&format!(
        "{} queues are declared: {}",
        topology.queues().len(),
        settings.engines.broker
    ))?;
    for queue in topology.queues() {
        output::print(&format!("  {queue}"))?;
    }
    Ok(())
}

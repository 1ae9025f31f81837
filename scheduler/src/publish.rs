//! Shows what changed.

use std::time::Duration;

use flotilla_core::snapshot::Snapshot;
use flotilla_core::{Batch, Error};

use crate::Deps;
use crate::running::RunningItems;

/// How long counting waits for the live view.
const PATIENCE: Duration = Duration::from_secs(1);

/// Writes the snapshots of `batches` to the live view. That is best effort: an outage there must not hold counting up,
/// and a later snapshot makes good for a lost one.
pub(crate) async fn publish(deps: &Deps, running: &RunningItems, batches: &[Batch]) {
    if batches.is_empty() {
        return;
    }
    let now = deps.clock.now();
    let snapshots: Vec<_> = batches
        .iter()
        .map(|batch| Snapshot::of(batch, running.of(batch.id), now))
        .collect();
    let written = tokio::time::timeout(PATIENCE, deps.progress.publish(&snapshots)).await;
    let error = match written {
        Ok(Ok(())) => return,
        Ok(Err(error)) => error,
        Err(_) => Error::unavailable("progress", "no answer in time"),
    };
    tracing::debug!(
        error = error.chain(),
        batches = batches.len(),
        "progress is not shown"
    );
}

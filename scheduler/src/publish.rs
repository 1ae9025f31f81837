//! Shows what changed.

use std::time::Duration;

use flotilla_core::snapshot::Snapshot;
use flotilla_core::{Batch, Error, Result};

use crate::Deps;
use crate::live_view::LiveView;

/// How long counting waits for the live view.
const PATIENCE: Duration = Duration::from_secs(1);

/// Says which of `batches` ended, and writes their snapshots to the live view. That is best effort: an outage there must
/// not hold counting up, and what is not shown now is written again by [`crate::reconcile`].
pub(crate) async fn publish(deps: &Deps, view: &LiveView, batches: &[Batch]) {
    for batch in batches.iter().filter(|batch| batch.state.is_final()) {
        tracing::info!(
            batch = %batch.id,
            state = %batch.state,
            succeeded = batch.counts.succeeded,
            failed = batch.counts.failed,
            cancelled = batch.counts.cancelled,
            "batch ended"
        );
    }
    let written = tokio::time::timeout(PATIENCE, show(deps, view, batches)).await;
    let error = match written {
        Ok(Ok(())) => return,
        Ok(Err(error)) => error,
        Err(_) => Error::unavailable("progress", "no answer in time"),
    };
    view.set_incomplete();
    tracing::debug!(
        error = error.chain(),
        batches = batches.len(),
        "progress is not shown"
    );
}

async fn show(deps: &Deps, view: &LiveView, batches: &[Batch]) -> Result<()> {
    let now = deps.clock.now();
    // A deleted batch that is still being cancelled is shown as such, so that workers hear of it at once.
    let (gone, there): (Vec<&Batch>, Vec<&Batch>) = batches
        .iter()
        .partition(|batch| batch.deleted && batch.state.is_final());
    for batch in gone {
        deps.progress.forget(&batch.space, batch.id).await?;
    }
    if there.is_empty() {
        return Ok(());
    }
    let snapshots: Vec<_> = there
        .into_iter()
        .map(|batch| Snapshot::of(batch, view.running(batch.id), now))
        .collect();
    deps.progress.publish(&snapshots).await
}

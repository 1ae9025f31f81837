//! The live view: what only it knows, which is how many items run, and what it is to show. Best effort, because the
//! store is right without it.

use std::time::Duration;

use flotilla_core::snapshot::Snapshot;
use flotilla_core::{Batch, BatchId, Result};
use tokio::time::timeout;

use crate::app::App;

/// A reader does not wait longer for a number that is a few seconds old anyway.
const PATIENCE: Duration = Duration::from_millis(250);

/// Splits what the store calls queued into queued and processing.
pub(crate) async fn overlay(app: &App, batches: &mut [Batch]) {
    let mut moving: Vec<&mut Batch> = batches.iter_mut().filter(|b| b.counts.queued > 0).collect();
    let ids: Vec<BatchId> = moving.iter().map(|batch| batch.id).collect();
    if ids.is_empty() {
        return;
    }
    match timeout(PATIENCE, app.deps.progress.read(&ids)).await {
        Ok(Ok(snapshots)) => {
            for (batch, snapshot) in moving.iter_mut().zip(snapshots) {
                batch
                    .counts
                    .mark_processing(snapshot.map_or(0, |s| s.counts.processing));
            }
        }
        Ok(Err(error)) => tracing::debug!(error = error.chain(), "answering without live progress"),
        Err(_) => tracing::debug!("answering without live progress: no answer in time"),
    }
}

/// How long it may take to show a change.
const SHOW_PATIENCE: Duration = Duration::from_millis(500);

/// Shows a batch that is new: nothing of it runs.
pub(crate) async fn show_new(app: &App, batch: &Batch) {
    publish(app, batch, async { Ok(0) }).await;
}

/// Shows a batch that was changed to whoever watches, workers among them. The scheduler will, too: nothing is lost where
/// this fails.
pub(crate) async fn show(app: &App, batch: &Batch) {
    let running = async {
        // How many items run is not changed by this.
        let known = app.deps.progress.read(&[batch.id]).await?;
        let known = known.into_iter().flatten().next();
        Ok(known.map_or(0, |snapshot| snapshot.counts.processing))
    };
    publish(app, batch, running).await;
}

async fn publish(app: &App, batch: &Batch, running: impl Future<Output = Result<u32>>) {
    let shown = timeout(SHOW_PATIENCE, async {
        let snapshot = Snapshot::of(batch, running.await?, app.deps.clock.now());
        app.deps.progress.publish(&[snapshot]).await
    });
    match shown.await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::warn!(error = error.chain(), "can't show a changed batch as progress"),
        Err(_) => tracing::warn!("can't show a changed batch as progress: no answer in time"),
    }
}

//! What only the live view knows: how many items run. Best effort, because the store's counts are right without it.

use std::time::Duration;

use flotilla_core::{Batch, BatchId};
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

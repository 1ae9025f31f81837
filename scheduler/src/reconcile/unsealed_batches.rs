//! An open batch is forgotten if it stays open and nothing was done to it for very long: nobody is going to seal it.
//! Nothing of it was dispatched; it is removed.

use std::time::Duration;

use async_trait::async_trait;
use flotilla_core::{BatchId, Result};

use super::{Task, before};
use crate::Deps;

/// Removed per look.
const LIMIT: u32 = 100;

/// Removes open batches that nobody seals.
pub struct UnsealedBatches {
    deps: Deps,
    ttl: Duration,
}

impl UnsealedBatches {
    /// Batches are forgotten when they were untouched for `ttl`.
    #[must_use]
    pub fn new(deps: &Deps, ttl: Duration) -> Self {
        Self {
            deps: deps.clone(),
            ttl,
        }
    }

    async fn hide(&self, batch: BatchId) -> Result<()> {
        let shown = self.deps.progress.read(&[batch]).await?;
        for snapshot in shown.into_iter().flatten() {
            self.deps.progress.forget(&snapshot.space, batch).await?;
        }
        Ok(())
    }
}

#[async_trait]
impl Task for UnsealedBatches {
    fn name(&self) -> &'static str {
        "unsealed batches"
    }

    fn period(&self) -> Duration {
        Duration::from_secs(60)
    }

    async fn run_once(&mut self) -> Result<u64> {
        let idle_since = before(self.deps.clock.now(), self.ttl);
        let mut removed = 0;
        for batch in self.deps.store.unsealed_batches(idle_since, LIMIT).await? {
            if !self.deps.store.discard_batch(batch).await? {
                continue;
            }
            tracing::info!(%batch, "removed a batch that stayed open and that nobody sealed");
            removed += 1;
            if let Err(error) = self.hide(batch).await {
                tracing::debug!(%batch, error = error.chain(), "a removed batch is still shown for a while");
            }
        }
        Ok(removed)
    }
}

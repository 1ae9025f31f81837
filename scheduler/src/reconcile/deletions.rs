//! A batch has to be purged if it was deleted and has ended: readers do not see it any more, but its rows, its long
//! outputs and its place in the live view are there. They are removed, the row that says so last.

use std::time::Duration;

use async_trait::async_trait;
use flotilla_core::{BatchId, Result, Space};
use tokio::time::Instant;

use super::expiries::rest;
use super::{ROWS, Task};
use crate::Deps;

/// Batches per look.
const LIMIT: u32 = 100;

/// Removes what is left of deleted batches.
pub struct Deletions {
    deps: Deps,
}

impl Deletions {
    /// Over these engines.
    #[must_use]
    pub fn new(deps: &Deps) -> Self {
        Self { deps: deps.clone() }
    }

    /// Whatever this leaves undone is found again, because the batch itself goes last.
    async fn remove(&self, space: &Space, batch: BatchId) -> Result<()> {
        self.deps.objects.remove_batch(space, batch).await?;
        self.deps.progress.forget(space, batch).await?;
        loop {
            let began = Instant::now();
            if self.deps.store.purge(batch, ROWS).await? {
                break;
            }
            rest(began).await;
        }
        tracing::info!(%batch, "removed a deleted batch");
        Ok(())
    }
}

#[async_trait]
impl Task for Deletions {
    fn name(&self) -> &'static str {
        "deletions"
    }

    fn period(&self) -> Duration {
        Duration::from_secs(5)
    }

    async fn run_once(&mut self) -> Result<u64> {
        let (mut removed, mut failed) = (0, None);
        for (space, batch) in self.deps.store.deleted_batches(LIMIT).await? {
            match self.remove(&space, batch).await {
                Ok(()) => removed += 1,
                Err(error) if error.is_transient() => return Err(error),
                // The others may go.
                Err(error) => failed = Some(error),
            }
        }
        failed.map_or(Ok(removed), Err)
    }
}

//! An upload is abandoned if its batch is open and no chunk of items has come for longer than an API process lets an
//! upload be silent: the API that received it was killed. Nothing of it was dispatched; it is removed.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use flotilla_core::ports::Store;
use flotilla_core::{Clock, Result};

use super::{Task, before};
use crate::Deps;

/// Removed per look.
const LIMIT: u32 = 100;

/// Removes abandoned uploads.
pub struct AbandonedUploads {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    ttl: Duration,
}

impl AbandonedUploads {
    /// Uploads are abandoned when they were silent for `ttl`.
    #[must_use]
    pub fn new(deps: &Deps, ttl: Duration) -> Self {
        Self {
            store: Arc::clone(&deps.store),
            clock: Arc::clone(&deps.clock),
            ttl,
        }
    }
}

#[async_trait]
impl Task for AbandonedUploads {
    fn name(&self) -> &'static str {
        "abandoned uploads"
    }

    fn period(&self) -> Duration {
        Duration::from_secs(15)
    }

    async fn run_once(&mut self) -> Result<u64> {
        let idle_since = before(self.clock.now(), self.ttl);
        let mut removed = 0;
        for batch in self.store.abandoned_batches(idle_since, LIMIT).await? {
            if self.store.discard_batch(batch).await? {
                tracing::info!(%batch, "removed an upload that was never finished");
                removed += 1;
            }
        }
        Ok(removed)
    }
}

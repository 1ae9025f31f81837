//! A batch has expired if it ended longer ago than batches are kept, and its own retention does not say how long it stays
//! (then see [`Expiries`](super::Expiries)). It is archived where that was asked for, and deleted; [`Deletions`](super::Deletions) removes
//! what it has stored.

use std::time::Duration;

use async_trait::async_trait;
use flotilla_core::Result;
use flotilla_core::command::{Actor, Command};
use flotilla_core::ports::store::Steered;
use flotilla_core::retention::Part;

use super::{Task, before};
use crate::{Deps, archive};

/// Batches per look.
const LIMIT: u32 = 1_000;

/// Deletes expired batches.
pub struct ExpiredBatches {
    deps: Deps,
    keep: Duration,
}

impl ExpiredBatches {
    /// Batches are kept for `keep` after their end.
    #[must_use]
    pub fn new(deps: &Deps, keep: Duration) -> Self {
        Self {
            deps: deps.clone(),
            keep,
        }
    }
}

#[async_trait]
impl Task for ExpiredBatches {
    fn name(&self) -> &'static str {
        "expired batches"
    }

    fn period(&self) -> Duration {
        Duration::from_secs(60)
    }

    async fn run_once(&mut self) -> Result<u64> {
        let (store, now) = (&self.deps.store, self.deps.clock.now());
        let mut deleted = 0;
        for (space, batch) in store.ended_batches(before(now, self.keep), LIMIT).await? {
            let Some(ended) = store.batch(&space, batch).await? else {
                continue;
            };
            if !archive::before(&self.deps, &ended, Part::Results).await? {
                continue;
            }
            let command = Command::Delete { force: false };
            match store
                .command(&space, batch, &command, &Actor::system(), now)
                .await?
            {
                Steered::Done(_) => {
                    tracing::info!(%batch, "deleted a batch that ended long ago");
                    deleted += 1;
                }
                // Somebody else was faster, or runs failed items of it again.
                Steered::Unchanged(_) | Steered::Forbidden(_) | Steered::Unknown => {}
            }
        }
        Ok(deleted)
    }
}

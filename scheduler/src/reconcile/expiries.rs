//! A part of a batch has expired if the batch ended longer ago than its retention keeps the part. It is removed, a few rows
//! at a time, and archived before where that was asked for; the row that says so goes last. The whole is deleted, and
//! [`Deletions`](super::Deletions) removes what it has stored.

use std::time::Duration;

use async_trait::async_trait;
use flotilla_core::command::{Actor, Command};
use flotilla_core::ports::store::{Expiry, Removed, Steered};
use flotilla_core::retention::Part;
use flotilla_core::{Batch, Result};
use tokio::time::{Instant, sleep};

use super::{ROWS, Task};
use crate::{Deps, archive};

/// Parts per look.
const LIMIT: u32 = 100;

/// Removes parts of batches whose time is over.
pub struct Expiries {
    deps: Deps,
}

impl Expiries {
    /// Over these engines.
    #[must_use]
    pub fn new(deps: &Deps) -> Self {
        Self { deps: deps.clone() }
    }

    /// True where it was removed. Whatever this leaves undone is found again.
    async fn remove(&self, expiry: &Expiry) -> Result<bool> {
        let (deps, part) = (&self.deps, expiry.part);
        let Some(batch) = deps.store.batch(&expiry.space, expiry.batch).await? else {
            return Ok(false);
        };
        if !batch.state.is_final() || self.is_followed(&batch).await? {
            return Ok(false);
        }
        if !archive::before(deps, &batch, part).await? {
            return Ok(false);
        }
        if part == Part::Results {
            return self.delete(expiry).await;
        }
        let now = deps.clock.now();
        if !deps.store.begin_expiry(expiry.batch, part, now).await? {
            return Ok(false);
        }
        match part {
            Part::Outputs => {
                deps.objects.remove_outputs(&expiry.space, expiry.batch).await?;
                deps.objects.remove_results(&expiry.space, expiry.batch).await?;
            }
            // They have both.
            Part::Inputs => deps.objects.remove_results(&expiry.space, expiry.batch).await?,
            Part::Artifacts => {
                deps.objects.remove_artifacts(&expiry.space, expiry.batch).await?;
            }
            Part::DeadLetters | Part::Results => {}
        }
        if !self.remove_rows(expiry).await? {
            return Ok(false);
        }
        deps.store.end_expiry(expiry.batch, part).await?;
        tracing::info!(batch = %expiry.batch, %part, "removed a part of a batch whose time is over");
        Ok(true)
    }

    /// True while something follows on `batch` that has not ended: it may still read what the batch has left.
    async fn is_followed(&self, batch: &Batch) -> Result<bool> {
        if batch.spec.on_complete.is_none() {
            return Ok(false);
        }
        let (store, space) = (&self.deps.store, &batch.space);
        let Some(called) = store.follow_up(space, batch.id, batch.revision).await? else {
            return Ok(false);
        };
        let Some(id) = called.follow_up else {
            return Ok(true);
        };
        let follow_up = store.batch(space, id).await?;
        Ok(follow_up.is_some_and(|follow_up| !follow_up.state.is_final()))
    }

    /// False where somebody else is at it.
    async fn remove_rows(&self, expiry: &Expiry) -> Result<bool> {
        loop {
            let began = Instant::now();
            match self
                .deps
                .store
                .expire_some(expiry.batch, expiry.part, ROWS)
                .await?
            {
                Removed::Some => {}
                Removed::All => return Ok(true),
                Removed::Nothing => return Ok(false),
            }
            rest(began).await;
        }
    }

    async fn delete(&self, expiry: &Expiry) -> Result<bool> {
        let (command, by, now) = (
            Command::Delete { force: false },
            Actor::system(),
            self.deps.clock.now(),
        );
        let store = &self.deps.store;
        match store
            .command(&expiry.space, expiry.batch, &command, &by, now)
            .await?
        {
            Steered::Done(_) => {
                tracing::info!(batch = %expiry.batch, "deleted a batch whose time is over");
                Ok(true)
            }
            // Somebody else was faster, or runs items of it again.
            Steered::Unchanged(_) | Steered::Forbidden(_) | Steered::Unknown => Ok(false),
        }
    }
}

/// How many times as long as a step the rest after it is.
const REST: u32 = 4;

/// Rests after the step that `began` then: most of the time the store is there for others alone.
pub(super) async fn rest(began: Instant) {
    sleep(began.elapsed() * REST).await;
}

#[async_trait]
impl Task for Expiries {
    fn name(&self) -> &'static str {
        "expiries"
    }

    fn period(&self) -> Duration {
        Duration::from_secs(5)
    }

    async fn run_once(&mut self) -> Result<u64> {
        let (mut removed, mut failed) = (0, None);
        let now = self.deps.clock.now();
        for expiry in self.deps.store.due_expiries(LIMIT, now).await? {
            match self.remove(&expiry).await {
                Ok(done) => removed += u64::from(done),
                Err(error) if error.is_transient() => return Err(error),
                // The others may go.
                Err(error) => failed = Some(error),
            }
        }
        failed.map_or(Ok(removed), Err)
    }
}

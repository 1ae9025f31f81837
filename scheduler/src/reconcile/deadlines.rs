//! A batch is overdue if its deadline has passed and it has not ended: it fails, and what is left of it is cancelled.

use std::time::Duration;

use async_trait::async_trait;
use flotilla_core::command::{Actor, Command};
use flotilla_core::ports::store::Steered;
use flotilla_core::{BatchId, Result, Space};

use super::Task;
use crate::live_view::LiveView;
use crate::{Deps, publish};

/// Batches per look.
const LIMIT: u32 = 100;

/// Fails overdue batches.
pub struct Deadlines {
    deps: Deps,
    view: LiveView,
}

impl Deadlines {
    /// Shares `view` with whoever else writes snapshots.
    #[must_use]
    pub fn new(deps: &Deps, view: &LiveView) -> Self {
        Self {
            deps: deps.clone(),
            view: view.clone(),
        }
    }

    /// True where it failed now.
    async fn fail(&self, space: &Space, id: BatchId) -> Result<bool> {
        let store = &self.deps.store;
        let Some(batch) = store.batch(space, id).await? else {
            return Ok(false);
        };
        let Some(deadline) = batch.spec.deadline else {
            return Ok(false);
        };
        let command = Command::Fail {
            error: format!("the deadline {deadline} has passed"),
        };
        let (by, now) = (Actor::system(), self.deps.clock.now());
        match store.command(space, id, &command, &by, now).await? {
            Steered::Done(batch) => {
                tracing::warn!(batch = %id, %deadline, "a batch fails because its deadline has passed");
                publish::publish(&self.deps, &self.view, std::slice::from_ref(&*batch)).await;
                Ok(true)
            }
            // Somebody else was faster, or it has ended meanwhile.
            Steered::Unchanged(_) | Steered::Forbidden(_) | Steered::Unknown => Ok(false),
        }
    }
}

#[async_trait]
impl Task for Deadlines {
    fn name(&self) -> &'static str {
        "deadlines"
    }

    fn period(&self) -> Duration {
        Duration::from_secs(1)
    }

    async fn run_once(&mut self) -> Result<u64> {
        let now = self.deps.clock.now();
        let mut failed = 0;
        for (space, id) in self.deps.store.overdue_batches(LIMIT, now).await? {
            failed += u64::from(self.fail(&space, id).await?);
        }
        Ok(failed)
    }
}

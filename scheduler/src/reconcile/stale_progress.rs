//! Progress is stale if the live view shows a batch otherwise than the store counts it or the workers run it: dispatch
//! moved items without an outcome, the live view was away or flushed, a scheduler died between its commit and its
//! snapshot, or workers took or finished items since. The snapshot is written again.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use flotilla_core::ports::{Progress, Store};
use flotilla_core::snapshot::Snapshot;
use flotilla_core::{BatchId, Clock, Counts, Result};
use jiff::{SignedDuration, Timestamp};

use super::Task;
use crate::Deps;
use crate::running::RunningItems;

/// Batches looked at per round.
const LIMIT: u32 = 1_000;
/// Every so many looks all snapshots are written, changed or not: the live view may have lost them.
const FULL_EVERY: u32 = 10;

/// Batches that ended so recently are still looked at: their last snapshot may have been lost.
const AFTERGLOW: SignedDuration = SignedDuration::from_mins(60);

/// Rewrites stale snapshots.
pub struct StaleProgress {
    store: Arc<dyn Store>,
    progress: Arc<dyn Progress>,
    clock: Arc<dyn Clock>,
    running: RunningItems,
    written: HashMap<BatchId, (u64, Counts)>,
    looks: u32,
}

impl StaleProgress {
    /// Shares `running` with whoever else writes snapshots.
    #[must_use]
    pub fn new(deps: &Deps, running: &RunningItems) -> Self {
        Self {
            store: Arc::clone(&deps.store),
            progress: Arc::clone(&deps.progress),
            clock: Arc::clone(&deps.clock),
            running: running.clone(),
            written: HashMap::new(),
            looks: 0,
        }
    }
}

#[async_trait]
impl Task for StaleProgress {
    fn name(&self) -> &'static str {
        "stale progress"
    }

    fn period(&self) -> Duration {
        Duration::from_secs(1)
    }

    async fn run_once(&mut self) -> Result<u64> {
        let workers = self.progress.workers().await?;
        self.running.replace(&workers);
        if self.looks.is_multiple_of(FULL_EVERY) {
            self.written.clear();
        }
        self.looks = self.looks.wrapping_add(1);

        let now = self.clock.now();
        let batches = self.store.watched(ended_since(now), LIMIT).await?;
        let snapshots = batches
            .iter()
            .map(|batch| Snapshot::of(batch, self.running.of(batch.id), now));
        let stale: Vec<Snapshot> = snapshots
            .filter(|snapshot| {
                self.written.get(&snapshot.batch) != Some(&(snapshot.version, snapshot.counts))
            })
            .collect();
        if !stale.is_empty() {
            self.progress.publish(&stale).await?;
        }
        self.written = batches
            .iter()
            .filter_map(|batch| self.written.remove_entry(&batch.id))
            .chain(
                stale
                    .iter()
                    .map(|snapshot| (snapshot.batch, (snapshot.version, snapshot.counts))),
            )
            .collect();
        Ok(stale.len() as u64)
    }
}

fn ended_since(now: Timestamp) -> Timestamp {
    now.saturating_sub(AFTERGLOW).unwrap_or(Timestamp::MIN)
}

//! Progress is stale if the live view shows a batch otherwise than the store counts it or the workers run it: dispatch
//! moved items without an outcome, the live view was away or flushed, a scheduler died between its commit and its
//! snapshot, or workers took or finished items since. The snapshot is written again.
//!
//! Batches that have not ended are looked at all the time. Those that ended of late are swept where there is a reason: at
//! the start, when the live view is another one than before, when a snapshot could not be written; and every few minutes,
//! because an engine may also lose a part of what it holds. However many there are, a look takes a page of each.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use flotilla_core::batch::Batch;
use flotilla_core::ports::progress::Incarnation;
use flotilla_core::ports::{Progress, Store};
use flotilla_core::snapshot::Snapshot;
use flotilla_core::{BatchId, Clock, Counts, Result};
use jiff::{SignedDuration, Timestamp};

use super::Task;
use crate::Deps;
use crate::live_view::LiveView;

/// Batches per page.
const PAGE: u32 = 1_000;
/// Snapshots whose last form is remembered, so that it is not written again. Of more, some are written in vain.
const REMEMBERED: usize = 10_000;
/// Looks between two sweeps without a reason.
const SWEEP_EVERY: u32 = 300;

/// Batches that ended so recently are swept.
const AFTERGLOW: SignedDuration = SignedDuration::from_mins(60);

/// Rewrites stale snapshots.
pub struct StaleProgress {
    store: Arc<dyn Store>,
    progress: Arc<dyn Progress>,
    clock: Arc<dyn Clock>,
    view: LiveView,
    incarnation: Option<Incarnation>,
    /// The batch after which the next look at those that have not ended begins.
    unfinished_after: Option<BatchId>,
    written: HashMap<BatchId, (u64, Counts)>,
    /// Where the sweep goes on, while there is one.
    sweep: Option<(Timestamp, BatchId)>,
    looks: u32,
}

impl StaleProgress {
    /// Shares `view` with whoever else writes snapshots.
    #[must_use]
    pub fn new(deps: &Deps, view: &LiveView) -> Self {
        Self {
            store: Arc::clone(&deps.store),
            progress: Arc::clone(&deps.progress),
            clock: Arc::clone(&deps.clock),
            view: view.clone(),
            incarnation: None,
            unfinished_after: None,
            written: HashMap::new(),
            sweep: None,
            looks: 0,
        }
    }

    /// Everything is written again, a page per look.
    fn start_over(&mut self, now: Timestamp) {
        let since = now.saturating_sub(AFTERGLOW).unwrap_or(Timestamp::MIN);
        self.sweep = Some((since, BatchId::LOWEST));
        self.written.clear();
        self.looks = 0;
    }

    /// Writes what changed of batches that have not ended.
    async fn follow(&mut self, now: Timestamp) -> Result<u64> {
        let page = self.store.unfinished(self.unfinished_after, PAGE).await?;
        let stale: Vec<Snapshot> = self
            .snapshots(&page, now)
            .filter(|snapshot| self.written.get(&snapshot.batch) != Some(&form(snapshot)))
            .collect();
        if !stale.is_empty() {
            self.progress.publish(&stale).await?;
        }
        if self.written.len() > REMEMBERED {
            self.written.clear();
        }
        let written = stale.iter().map(|snapshot| (snapshot.batch, form(snapshot)));
        self.written.extend(written);
        self.unfinished_after = full(&page).map(|last| last.id);
        Ok(stale.len() as u64)
    }

    /// Writes a page of those that ended.
    async fn sweep(&mut self, now: Timestamp) -> Result<u64> {
        let Some(point) = self.sweep else {
            return Ok(0);
        };
        let page = self.store.finished(point, PAGE).await?;
        let snapshots: Vec<Snapshot> = self.snapshots(&page, now).collect();
        if !snapshots.is_empty() {
            self.progress.publish(&snapshots).await?;
        }
        self.sweep = full(&page).and_then(|last| Some((last.completed_at?, last.id)));
        Ok(snapshots.len() as u64)
    }

    fn snapshots<'a>(
        &self,
        batches: &'a [Batch],
        now: Timestamp,
    ) -> impl Iterator<Item = Snapshot> + use<'a> {
        let view = self.view.clone();
        batches
            .iter()
            .map(move |batch| Snapshot::of(batch, view.running(batch.id), now))
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
        self.view.hear(&workers);
        let incarnation = self.progress.incarnation().await?;
        let another = self.incarnation.replace(incarnation) != Some(incarnation);
        // Both, so that neither is left to start another sweep.
        let incomplete = self.view.take_incomplete();
        let now = self.clock.now();
        if another || incomplete || self.looks >= SWEEP_EVERY {
            self.start_over(now);
        }
        self.looks += 1;
        Ok(self.follow(now).await? + self.sweep(now).await?)
    }
}

/// What has to be the same for a snapshot not to be written again.
fn form(snapshot: &Snapshot) -> (u64, Counts) {
    (snapshot.version, snapshot.counts)
}

/// The last batch of a page, where there may be another page.
fn full(page: &[Batch]) -> Option<&Batch> {
    page.last().filter(|_| page.len() == PAGE as usize)
}

//! The embedded live view, which can be made to be silent.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use flotilla_core::batch::Counts;
use flotilla_core::ports::Progress;
use flotilla_core::ports::progress::{Heard, Incarnation, Scope};
use flotilla_core::snapshot::{Snapshot, Steering};
use flotilla_core::worker::WorkerStatus;
use flotilla_core::{BatchId, BatchState, Clock, Result, Space, SystemClock, WorkerId};
use flotilla_embedded::progress::EmbeddedProgress;
use futures_util::StreamExt;
use futures_util::stream::BoxStream;

/// A live view for tests.
pub(crate) struct Board {
    inner: EmbeddedProgress,
    /// No answer to any question.
    pub(crate) hangs: AtomicBool,
    /// Events get lost.
    pub(crate) loses_events: Arc<AtomicBool>,
    /// Questions about steering so far.
    pub(crate) questions: AtomicUsize,
    version: AtomicU64,
}

impl Board {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            inner: EmbeddedProgress::new(Arc::new(SystemClock)),
            hangs: AtomicBool::new(false),
            loses_events: Arc::default(),
            questions: AtomicUsize::new(0),
            version: AtomicU64::new(0),
        })
    }

    /// Says how batch `batch` is steered.
    pub(crate) async fn steer(&self, batch: u128, state: BatchState, epoch: u32) {
        let now = SystemClock.now();
        let snapshot = Snapshot {
            batch: BatchId(uuid::Uuid::from_u128(batch)),
            space: Space::default(),
            name: None,
            job_type: "probe".into(),
            state,
            counts: Counts::default(),
            percent: 0.0,
            rate_per_s: 0.0,
            eta: None,
            epoch,
            version: self.version.fetch_add(1, Ordering::SeqCst) + 1,
            created_at: now,
            started_at: None,
            completed_at: None,
            updated_at: now,
        };
        self.inner.publish(&[snapshot]).await.unwrap();
    }
}

#[async_trait]
impl Progress for Board {
    async fn publish(&self, snapshots: &[Snapshot]) -> Result<()> {
        self.inner.publish(snapshots).await
    }

    async fn read(&self, batches: &[BatchId]) -> Result<Vec<Option<Snapshot>>> {
        self.inner.read(batches).await
    }

    async fn steering(&self, batches: &[BatchId]) -> Result<Vec<Option<Steering>>> {
        if !batches.is_empty() {
            self.questions.fetch_add(1, Ordering::SeqCst);
        }
        if self.hangs.load(Ordering::SeqCst) {
            std::future::pending::<()>().await;
        }
        self.inner.steering(batches).await
    }

    async fn forget(&self, space: &Space, batch: BatchId) -> Result<()> {
        self.inner.forget(space, batch).await
    }

    async fn active(&self, space: &Space) -> Result<Vec<BatchId>> {
        self.inner.active(space).await
    }

    async fn subscribe(&self, scope: Scope) -> Result<BoxStream<'static, Heard>> {
        let loses = Arc::clone(&self.loses_events);
        let events = self.inner.subscribe(scope).await?;
        let kept = events.filter(move |_| std::future::ready(!loses.load(Ordering::SeqCst)));
        Ok(kept.boxed())
    }

    async fn heartbeat(&self, worker: &WorkerStatus, ttl: Duration) -> Result<()> {
        self.inner.heartbeat(worker, ttl).await
    }

    async fn workers(&self) -> Result<Vec<WorkerStatus>> {
        self.inner.workers().await
    }

    async fn tell_to_drain(&self, worker: &WorkerId, drain: bool) -> Result<()> {
        self.inner.tell_to_drain(worker, drain).await
    }

    async fn told_to_drain(&self, workers: &[WorkerId]) -> Result<Vec<bool>> {
        self.inner.told_to_drain(workers).await
    }

    async fn incarnation(&self) -> Result<Incarnation> {
        self.inner.incarnation().await
    }

    async fn ping(&self) -> Result<()> {
        self.inner.ping().await
    }
}

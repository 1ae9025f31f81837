//! A live view that can be away, and lose everything.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use async_trait::async_trait;
use flotilla_core::ports::Progress;
use flotilla_core::ports::progress::{Heard, Incarnation, Scope};
use flotilla_core::snapshot::{Snapshot, Steering};
use flotilla_core::worker::WorkerStatus;
use flotilla_core::{BatchId, Clock, Error, Result, Space, WorkerId};
use flotilla_embedded::progress::EmbeddedProgress;
use futures_util::stream::BoxStream;

/// The embedded one, with what can happen to others.
pub(crate) struct Frail {
    clock: Arc<dyn Clock>,
    inner: RwLock<Arc<EmbeddedProgress>>,
    /// No call succeeds.
    pub(crate) away: AtomicBool,
}

impl Frail {
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            inner: RwLock::new(Arc::new(EmbeddedProgress::new(Arc::clone(&clock)))),
            clock,
            away: AtomicBool::new(false),
        }
    }

    /// Nothing is there any more.
    pub(crate) fn lose_everything(&self) {
        let empty = Arc::new(EmbeddedProgress::new(Arc::clone(&self.clock)));
        *self.inner.write().unwrap_or_else(PoisonError::into_inner) = empty;
    }

    fn there(&self) -> Result<Arc<EmbeddedProgress>> {
        if self.away.load(Ordering::SeqCst) {
            return Err(Error::unavailable("the live view", "away"));
        }
        Ok(Arc::clone(
            &self.inner.read().unwrap_or_else(PoisonError::into_inner),
        ))
    }
}

#[async_trait]
impl Progress for Frail {
    async fn publish(&self, snapshots: &[Snapshot]) -> Result<()> {
        self.there()?.publish(snapshots).await
    }
    async fn read(&self, batches: &[BatchId]) -> Result<Vec<Option<Snapshot>>> {
        self.there()?.read(batches).await
    }
    async fn steering(&self, batches: &[BatchId]) -> Result<Vec<Option<Steering>>> {
        self.there()?.steering(batches).await
    }
    async fn forget(&self, space: &Space, batch: BatchId) -> Result<()> {
        self.there()?.forget(space, batch).await
    }
    async fn active(&self, space: &Space) -> Result<Vec<BatchId>> {
        self.there()?.active(space).await
    }
    async fn subscribe(&self, scope: Scope) -> Result<BoxStream<'static, Heard>> {
        self.there()?.subscribe(scope).await
    }
    async fn heartbeat(&self, worker: &WorkerStatus, ttl: Duration) -> Result<()> {
        self.there()?.heartbeat(worker, ttl).await
    }
    async fn workers(&self) -> Result<Vec<WorkerStatus>> {
        self.there()?.workers().await
    }
    async fn tell_to_drain(&self, worker: &WorkerId, drain: bool) -> Result<()> {
        self.there()?.tell_to_drain(worker, drain).await
    }
    async fn told_to_drain(&self, workers: &[WorkerId]) -> Result<Vec<bool>> {
        self.there()?.told_to_drain(workers).await
    }
    async fn incarnation(&self) -> Result<Incarnation> {
        self.there()?.incarnation().await
    }
    async fn ping(&self) -> Result<()> {
        self.there()?.ping().await
    }
}

//! A store with faults on demand. Above all its answers get lost: the write happens, and the caller is told that the
//! store is away. What a connection that breaks at the wrong moment looks like.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use flotilla_core::batch::{BatchFilter, BatchSpec};
use flotilla_core::item::{Item, ItemFilter, NewItem};
use flotilla_core::outcome::Outcome;
use flotilla_core::ports::Store;
use flotilla_core::ports::store::{
    ActiveBatch, Claim, ClaimId, Dispatch, Intake, Ledger, NewBatch, Opened, Reading, Want,
};
use flotilla_core::result::BatchResult;
use flotilla_core::{Batch, BatchId, Error, ItemIndex, Result, Space};
use jiff::Timestamp;

pub(crate) struct Lossy {
    inner: Arc<dyn Store>,
    /// Answers still to lose, of each write.
    pub(crate) appends: AtomicU32,
    pub(crate) seals: AtomicU32,
    pub(crate) opens: AtomicU32,
    /// Nothing can be read.
    pub(crate) away: AtomicBool,
    /// Reading a batch panics.
    pub(crate) panics: AtomicBool,
}

impl Lossy {
    pub(crate) fn new(inner: Arc<dyn Store>) -> Self {
        Self {
            inner,
            appends: AtomicU32::new(0),
            seals: AtomicU32::new(0),
            opens: AtomicU32::new(0),
            away: AtomicBool::new(false),
            panics: AtomicBool::new(false),
        }
    }

    fn there(&self) -> Result<()> {
        assert!(!self.panics.load(Ordering::SeqCst), "on purpose");
        if self.away.load(Ordering::SeqCst) {
            return Err(Error::unavailable("SQLite", "a secret address does not answer"));
        }
        Ok(())
    }
}

fn lose<T>(counter: &AtomicU32, answer: Result<T>) -> Result<T> {
    let lost = counter.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
    match lost {
        Ok(_) => Err(Error::unavailable("SQLite", "the answer got lost")),
        Err(_) => answer,
    }
}

#[async_trait]
impl Store for Lossy {
    async fn migrate(&self) -> Result<()> {
        self.inner.migrate().await
    }
    async fn ping(&self) -> Result<()> {
        self.there()?;
        self.inner.ping().await
    }
}

#[async_trait]
impl Intake for Lossy {
    async fn open_batch(&self, new: NewBatch) -> Result<Opened> {
        lose(&self.opens, self.inner.open_batch(new).await)
    }
    async fn append_items(&self, batch: BatchId, first: ItemIndex, items: Vec<NewItem>) -> Result<()> {
        lose(&self.appends, self.inner.append_items(batch, first, items).await)
    }
    async fn seal_batch(&self, batch: BatchId, spec: BatchSpec, now: Timestamp) -> Result<Batch> {
        lose(&self.seals, self.inner.seal_batch(batch, spec, now).await)
    }
    async fn discard_batch(&self, batch: BatchId) -> Result<bool> {
        self.inner.discard_batch(batch).await
    }
    async fn abandoned_batches(&self, idle_since: Timestamp, limit: u32) -> Result<Vec<BatchId>> {
        self.inner.abandoned_batches(idle_since, limit).await
    }
}

#[async_trait]
impl Dispatch for Lossy {
    async fn active_batches(&self, limit: u32) -> Result<Vec<ActiveBatch>> {
        self.inner.active_batches(limit).await
    }
    async fn claim(&self, wants: &[Want], lease: Duration, now: Timestamp) -> Result<Vec<Claim>> {
        self.inner.claim(wants, lease, now).await
    }
    async fn take_over(&self, lease: Duration, limit: u32, now: Timestamp) -> Result<Vec<Claim>> {
        self.inner.take_over(lease, limit, now).await
    }
    async fn mark_published(&self, claims: &[ClaimId]) -> Result<()> {
        self.inner.mark_published(claims).await
    }
    async fn redispatch_unsettled(&self, batch: BatchId, now: Timestamp) -> Result<u32> {
        self.inner.redispatch_unsettled(batch, now).await
    }
}

#[async_trait]
impl Ledger for Lossy {
    async fn record(&self, outcomes: Vec<Outcome>, now: Timestamp) -> Result<Vec<Batch>> {
        self.inner.record(outcomes, now).await
    }
}

#[async_trait]
impl Reading for Lossy {
    async fn batch(&self, space: &Space, id: BatchId) -> Result<Option<Batch>> {
        self.there()?;
        self.inner.batch(space, id).await
    }
    async fn batches(&self, space: &Space, filter: &BatchFilter, limit: u32) -> Result<Vec<Batch>> {
        self.inner.batches(space, filter, limit).await
    }
    async fn watched(&self, ended_since: Timestamp, limit: u32) -> Result<Vec<Batch>> {
        self.inner.watched(ended_since, limit).await
    }
    async fn items(
        &self,
        space: &Space,
        batch: BatchId,
        filter: &ItemFilter,
        limit: u32,
    ) -> Result<Vec<Item>> {
        self.inner.items(space, batch, filter, limit).await
    }
    async fn result(&self, space: &Space, batch: BatchId) -> Result<Option<BatchResult>> {
        self.inner.result(space, batch).await
    }
}

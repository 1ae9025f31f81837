//! What the reconcilers work with, over all spaces.

mod deleted;
mod expire;
mod halted;
mod overdue;
mod purge;
mod sweep;

use async_trait::async_trait;
use flotilla_core::batch::Batch;
use flotilla_core::ports::store::Upkeep;
use flotilla_core::{BatchId, Result, Space};
use jiff::Timestamp;

use crate::PostgresStore;

#[async_trait]
impl Upkeep for PostgresStore {
    async fn expire_leases(&self, limit: u32, now: Timestamp) -> Result<Vec<Batch>> {
        self.sessions.run(expire::Expire { limit, now }).await
    }

    async fn halted_batches(&self, limit: u32) -> Result<Vec<BatchId>> {
        self.sessions.run(halted::Halted { limit }).await
    }

    async fn sweep(
        &self,
        batch: BatchId,
        limit: u32,
        grace_since: Timestamp,
        now: Timestamp,
    ) -> Result<Option<(Batch, u32)>> {
        let sweep = sweep::Sweep {
            batch,
            limit,
            grace_since,
            now,
        };
        self.sessions.run(sweep).await
    }

    async fn overdue_batches(&self, limit: u32, now: Timestamp) -> Result<Vec<(Space, BatchId)>> {
        self.sessions.run(overdue::Overdue { limit, now }).await
    }

    async fn deleted_batches(&self, limit: u32) -> Result<Vec<(Space, BatchId)>> {
        self.sessions.run(deleted::Deleted { limit }).await
    }

    async fn purge(&self, batch: BatchId, limit: u32) -> Result<bool> {
        self.sessions.run(purge::Purge { batch, limit }).await
    }
}

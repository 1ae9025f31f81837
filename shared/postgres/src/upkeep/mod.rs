//! What the reconcilers work with, over all spaces.

mod deleted;
mod ended;
mod expire;
mod forget_keys;
mod halted;
mod in_flight;
mod overdue;
mod purge;
mod resend;
mod sweep;

use async_trait::async_trait;
use flotilla_core::batch::Batch;
use flotilla_core::ports::store::{InFlight, Known, Resend, Upkeep};
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

    async fn ended_batches(&self, ended_before: Timestamp, limit: u32) -> Result<Vec<(Space, BatchId)>> {
        let ended = ended::Ended {
            before: ended_before,
            limit,
        };
        self.sessions.run(ended).await
    }

    async fn in_flight(&self, known: &[Known], limit: u32) -> Result<Vec<InFlight>> {
        self.sessions.run(in_flight::ListInFlight { known, limit }).await
    }

    async fn forget_keys(&self, limit: u32, now: Timestamp) -> Result<u32> {
        self.sessions.run(forget_keys::ForgetKeys { limit, now }).await
    }

    async fn resend(&self, batch: BatchId, lost: &[Resend]) -> Result<u32> {
        if lost.is_empty() {
            return Ok(0);
        }
        self.sessions.run(resend::ResendLost { batch, lost }).await
    }

    async fn purge(&self, batch: BatchId, limit: u32) -> Result<bool> {
        self.sessions.run(purge::Purge { batch, limit }).await
    }
}

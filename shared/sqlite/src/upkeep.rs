//! What the reconcilers work with, over all spaces. Batches that are being removed are there too.

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
use flotilla_core::Result;
use flotilla_core::batch::Batch;
use flotilla_core::ids::{BatchId, Space};
use flotilla_core::ports::store::{InFlight, Known, Resend, Upkeep};
use jiff::Timestamp;
use rusqlite::Row;

use crate::SqliteStore;
use crate::keys::Id;
use crate::rows::Text;

#[async_trait]
impl Upkeep for SqliteStore {
    async fn expire_leases(&self, limit: u32, now: Timestamp) -> Result<Vec<Batch>> {
        // Most calls find nothing: they don't wait for the writer, nor for the disk.
        let any = self
            .readers
            .run("look for leases that are over", move |db| expire::any(db, now));
        if !any.await? {
            return Ok(Vec::new());
        }
        self.writer
            .run("end leases", move |db| expire::expire(db, limit, now))
            .await
    }

    async fn halted_batches(&self, limit: u32) -> Result<Vec<BatchId>> {
        self.readers
            .run("look for batches to cancel", move |db| halted::list(db, limit))
            .await
    }

    async fn sweep(
        &self,
        batch: BatchId,
        limit: u32,
        grace_since: Timestamp,
        now: Timestamp,
    ) -> Result<Option<(Batch, u32)>> {
        self.writer
            .run("cancel items", move |db| {
                sweep::sweep(db, batch, limit, grace_since, now)
            })
            .await
    }

    async fn overdue_batches(&self, limit: u32, now: Timestamp) -> Result<Vec<(Space, BatchId)>> {
        self.readers
            .run("look for overdue batches", move |db| {
                overdue::list(db, limit, now)
            })
            .await
    }

    async fn deleted_batches(&self, limit: u32) -> Result<Vec<(Space, BatchId)>> {
        self.readers
            .run("look for batches to remove", move |db| deleted::list(db, limit))
            .await
    }

    async fn ended_batches(&self, ended_before: Timestamp, limit: u32) -> Result<Vec<(Space, BatchId)>> {
        self.readers
            .run("look for batches that ended long ago", move |db| {
                ended::list(db, ended_before, limit)
            })
            .await
    }

    async fn in_flight(&self, known: &[Known], limit: u32) -> Result<Vec<InFlight>> {
        let known = known.to_vec();
        self.readers
            .run("list what is in flight", move |db| {
                in_flight::list(db, &known, limit)
            })
            .await
    }

    async fn forget_keys(&self, limit: u32, now: Timestamp) -> Result<u32> {
        // As with leases: most calls find nothing.
        let any = self
            .readers
            .run("look for keys that are over", move |db| forget_keys::any(db, now));
        if !any.await? {
            return Ok(0);
        }
        self.writer
            .run("forget keys", move |db| forget_keys::forget(db, limit, now))
            .await
    }

    async fn resend(&self, batch: BatchId, lost: &[Resend]) -> Result<u32> {
        if lost.is_empty() {
            return Ok(0);
        }
        let lost = lost.to_vec();
        self.writer
            .run("dispatch lost items again", move |db| {
                resend::resend(db, batch, &lost)
            })
            .await
    }

    async fn purge(&self, batch: BatchId, limit: u32) -> Result<bool> {
        self.writer
            .run("remove a batch", move |db| purge::purge(db, batch, limit))
            .await
    }
}

/// Reads `space, id`.
fn named(row: &Row<'_>) -> rusqlite::Result<(Space, BatchId)> {
    Ok((row.get::<_, Text<_>>("space")?.0, row.get::<_, Id>("id")?.0))
}

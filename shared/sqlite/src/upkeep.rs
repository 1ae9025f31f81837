//! What the reconcilers work with, over all spaces. Batches that are being removed are there too.

mod deleted;
mod expire;
mod halted;
mod overdue;
mod purge;
mod sweep;

use async_trait::async_trait;
use flotilla_core::Result;
use flotilla_core::batch::Batch;
use flotilla_core::ids::{BatchId, Space};
use flotilla_core::ports::store::Upkeep;
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

//! Taking batches in.

mod append;
mod appending;
mod create;
mod idle;
mod keep_open;
mod open;
mod seal;

use std::time::Duration;

use async_trait::async_trait;
use flotilla_core::Result;
use flotilla_core::batch::{Batch, BatchSpec};
use flotilla_core::ids::{BatchId, ItemIndex, Space};
use flotilla_core::item::NewItem;
use flotilla_core::ports::store::{Appending, Created, Intake, NewBatch, Opened};
use jiff::Timestamp;
use rusqlite::Connection;

use crate::SqliteStore;
use crate::error::{Done, Failure};
use crate::rows::BatchRow;

pub(crate) use self::appending::{drop_unkept, is_appending};

#[async_trait]
impl Intake for SqliteStore {
    async fn open_batch(&self, new: NewBatch) -> Result<Opened> {
        self.writer
            .run("open a batch", move |db| open::open(db, &new))
            .await
    }

    async fn append_items(&self, batch: BatchId, first: ItemIndex, items: Vec<NewItem>) -> Result<()> {
        self.writer
            .run("append items", move |db| append::append(db, batch, first, &items))
            .await
    }

    async fn seal_batch(&self, batch: BatchId, spec: BatchSpec, now: Timestamp) -> Result<Batch> {
        self.writer
            .run("seal a batch", move |db| seal::seal(db, batch, spec, now))
            .await
    }

    async fn create_batch(
        &self,
        new: NewBatch,
        items: Vec<NewItem>,
        spec: BatchSpec,
        now: Timestamp,
    ) -> Result<Created> {
        self.writer
            .run("create a batch", move |db| {
                create::create(db, &new, &items, spec, now)
            })
            .await
    }

    async fn keep_open(&self, batch: BatchId, spec: BatchSpec, now: Timestamp) -> Result<Batch> {
        self.writer
            .run("keep a batch open", move |db| {
                keep_open::keep_open(db, batch, spec, now)
            })
            .await
    }

    async fn begin_append(
        &self,
        space: &Space,
        batch: BatchId,
        patience: Duration,
        now: Timestamp,
    ) -> Result<Appending> {
        let space = space.clone();
        self.writer
            .run("begin to append", move |db| {
                appending::begin(db, &space, batch, patience, now)
            })
            .await
    }

    async fn end_append(
        &self,
        batch: BatchId,
        first: ItemIndex,
        keep: bool,
        now: Timestamp,
    ) -> Result<Batch> {
        self.writer
            .run("end an append", move |db| {
                appending::end(db, batch, first, keep, now)
            })
            .await
    }

    async fn discard_batch(&self, batch: BatchId) -> Result<bool> {
        self.writer
            .run("discard a batch", move |db| open::discard(db, batch))
            .await
    }

    async fn abandoned_batches(&self, idle_since: Timestamp, limit: u32) -> Result<Vec<BatchId>> {
        self.readers
            .run("look for abandoned batches", move |db| {
                idle::open(db, false, idle_since, limit)
            })
            .await
    }

    async fn unsealed_batches(&self, idle_since: Timestamp, limit: u32) -> Result<Vec<BatchId>> {
        self.readers
            .run("look for unsealed batches", move |db| {
                idle::open(db, true, idle_since, limit)
            })
            .await
    }
}

/// The batch, which must be there.
fn existing(db: &Connection, id: BatchId) -> Done<BatchRow> {
    let batch = BatchRow::load(db, id)?;
    batch.ok_or_else(|| Failure::Conflict(format!("there is no batch {id}")))
}

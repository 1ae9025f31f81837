//! Taking batches in.

mod append;
mod appending;
mod create;
mod idle;
mod keep_open;
mod names;
mod open;
mod portion;
mod reserved;
mod seal;
mod skip;

use std::time::Duration;

use async_trait::async_trait;
use flotilla_core::Result;
use flotilla_core::batch::{Batch, BatchSpec};
use flotilla_core::ids::{BatchId, ItemIndex, Space};
use flotilla_core::item::NewItem;
use flotilla_core::ports::store::{
    Appended, Appending, Created, Intake, KeyHolder, NewBatch, Opened, Portion, Portioned,
};
use flotilla_core::skipped::SkippedItem;
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

    async fn append_items(&self, batch: BatchId, first: ItemIndex, items: Vec<NewItem>) -> Result<Appended> {
        self.writer
            .run("append items", move |db| append::append(db, batch, first, &items))
            .await
    }

    async fn skip_items(&self, batch: BatchId, first: u32, skipped: Vec<SkippedItem>) -> Result<()> {
        self.writer
            .run("keep what is skipped", move |db| {
                skip::skip(db, batch, first, &skipped)
            })
            .await
    }

    async fn reserve_keys(
        &self,
        space: &Space,
        batch: BatchId,
        keys: Vec<String>,
        until: Timestamp,
        now: Timestamp,
    ) -> Result<Vec<KeyHolder>> {
        let space = space.clone();
        self.writer
            .run("reserve keys", move |db| {
                reserved::reserve(db, &space, batch, &keys, until, now)
            })
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

    async fn append_portion(
        &self,
        space: &Space,
        batch: BatchId,
        portion: Portion,
        now: Timestamp,
    ) -> Result<Portioned> {
        let space = space.clone();
        self.writer
            .run("append items of a producer", move |db| {
                portion::append(db, &space, batch, &portion, now)
            })
            .await
    }

    async fn producer_position(&self, space: &Space, batch: BatchId, producer: &str) -> Result<Option<u32>> {
        let (space, producer) = (space.clone(), producer.to_owned());
        self.readers
            .run("look how far a producer is", move |db| {
                portion::seen(db, &space, batch, &producer)
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

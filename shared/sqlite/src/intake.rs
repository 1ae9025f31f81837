//! Taking batches in.

mod append;
mod open;
mod seal;

use async_trait::async_trait;
use flotilla_core::Result;
use flotilla_core::batch::{Batch, BatchSpec};
use flotilla_core::ids::{BatchId, ItemIndex};
use flotilla_core::item::NewItem;
use flotilla_core::ports::store::{Intake, NewBatch, Opened};
use jiff::Timestamp;
use rusqlite::Connection;

use crate::SqliteStore;
use crate::error::{Done, Failure};
use crate::keys::{Id, Micros};
use crate::rows::BatchRow;

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

    async fn discard_batch(&self, batch: BatchId) -> Result<bool> {
        self.writer
            .run("discard a batch", move |db| open::discard(db, batch))
            .await
    }

    async fn abandoned_batches(&self, idle_since: Timestamp, limit: u32) -> Result<Vec<BatchId>> {
        self.readers
            .run("look for abandoned batches", move |db| {
                abandoned(db, idle_since, limit)
            })
            .await
    }
}

/// The batch, which must be there.
fn existing(db: &Connection, id: BatchId) -> Done<BatchRow> {
    let batch = BatchRow::load(db, id)?;
    batch.ok_or_else(|| Failure::Conflict(format!("there is no batch {id}")))
}

fn abandoned(db: &Connection, idle_since: Timestamp, limit: u32) -> Done<Vec<BatchId>> {
    let sql = "
        SELECT id FROM batches WHERE state = 'open' AND last_append_at < ?1
        ORDER BY last_append_at LIMIT ?2";
    let mut statement = db.prepare_cached(sql)?;
    let ids = statement.query_map((Micros(idle_since), limit), |row| row.get::<_, Id>(0))?;
    Ok(ids.map(|id| id.map(|Id(id)| id)).collect::<Result<_, _>>()?)
}

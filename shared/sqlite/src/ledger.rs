//! Counting outcomes.

mod place;
mod record;
mod write;

use async_trait::async_trait;
use flotilla_core::Result;
use flotilla_core::attempt::Attempt;
use flotilla_core::batch::Batch;
use flotilla_core::ids::{BatchId, ItemIndex};
use flotilla_core::place::{Lease, Place};
use flotilla_core::ports::store::Ledger;
use jiff::Timestamp;

pub(crate) use self::record::take;
use crate::SqliteStore;

#[async_trait]
impl Ledger for SqliteStore {
    async fn record(&self, attempts: Vec<Attempt>, now: Timestamp) -> Result<Vec<Batch>> {
        self.writer
            .run("record attempts", move |db| record::record(db, attempts, now))
            .await
    }

    async fn place(&self, batch: BatchId, index: ItemIndex) -> Result<Option<(Place, Option<Lease>)>> {
        self.readers
            .run("look for an item", move |db| place::place(db, batch, index))
            .await
    }
}

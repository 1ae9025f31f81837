//! Taking batches in.

mod abandoned;
mod append;
mod copy;
mod discard;
mod open;
mod seal;

use async_trait::async_trait;
use flotilla_core::batch::{Batch, BatchSpec};
use flotilla_core::item::NewItem;
use flotilla_core::ports::store::{Intake, NewBatch, Opened};
use flotilla_core::{BatchId, ItemIndex, Result};
use jiff::Timestamp;

use crate::PostgresStore;

#[async_trait]
impl Intake for PostgresStore {
    async fn open_batch(&self, new: NewBatch) -> Result<Opened> {
        self.sessions.run(open::Open { new }).await
    }

    async fn append_items(&self, batch: BatchId, first: ItemIndex, items: Vec<NewItem>) -> Result<()> {
        self.sessions.run(append::Append { batch, first, items }).await
    }

    async fn seal_batch(&self, batch: BatchId, spec: BatchSpec, now: Timestamp) -> Result<Batch> {
        self.sessions.run(seal::Seal { batch, spec, now }).await
    }

    async fn discard_batch(&self, batch: BatchId) -> Result<bool> {
        self.sessions.run(discard::Discard { batch }).await
    }

    async fn abandoned_batches(&self, idle_since: Timestamp, limit: u32) -> Result<Vec<BatchId>> {
        self.sessions
            .run(abandoned::Abandoned { idle_since, limit })
            .await
    }
}

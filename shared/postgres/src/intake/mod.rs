//! Taking batches in.

mod abandoned;
mod append;
mod begin_append;
pub(crate) mod copy;
mod create;
mod discard;
mod end_append;
mod items;
mod keep_open;
pub(crate) mod kept_open;
mod keys;
mod names;
mod open;
mod portion;
mod seal;
mod skip;
mod specify;
mod unsealed;

use std::time::Duration;

use async_trait::async_trait;
use flotilla_core::batch::{Batch, BatchSpec};
use flotilla_core::item::NewItem;
use flotilla_core::ports::store::{
    Appended, Appending, Created, Intake, KeyHolder, NewBatch, Opened, Portion, Portioned,
};
use flotilla_core::skipped::SkippedItem;
use flotilla_core::{BatchId, ItemIndex, Result, Space};
use jiff::Timestamp;

use crate::PostgresStore;

#[async_trait]
impl Intake for PostgresStore {
    async fn open_batch(&self, new: NewBatch) -> Result<Opened> {
        self.sessions.run(open::Open { new }).await
    }

    async fn append_items(&self, batch: BatchId, first: ItemIndex, items: Vec<NewItem>) -> Result<Appended> {
        self.sessions.run(append::Append { batch, first, items }).await
    }

    async fn skip_items(&self, batch: BatchId, first: u32, skipped: Vec<SkippedItem>) -> Result<()> {
        let operation = skip::Skip {
            batch,
            first,
            skipped,
        };
        self.sessions.run(operation).await
    }

    async fn reserve_keys(
        &self,
        space: &Space,
        batch: BatchId,
        keys: Vec<String>,
        until: Timestamp,
        now: Timestamp,
    ) -> Result<Vec<KeyHolder>> {
        let operation = keys::Reserve {
            space,
            batch,
            keys,
            until,
            now,
        };
        self.sessions.run(operation).await
    }

    async fn seal_batch(&self, batch: BatchId, spec: BatchSpec, now: Timestamp) -> Result<Batch> {
        self.sessions.run(seal::Seal { batch, spec, now }).await
    }

    async fn create_batch(
        &self,
        new: NewBatch,
        items: Vec<NewItem>,
        spec: BatchSpec,
        now: Timestamp,
    ) -> Result<Created> {
        let operation = create::Create {
            open: open::Open { new: new.clone() },
            append: append::Append {
                batch: new.id,
                first: 0,
                items,
            },
            seal: seal::Seal {
                batch: new.id,
                spec,
                now,
            },
        };
        self.sessions.run(operation).await
    }

    async fn keep_open(&self, batch: BatchId, spec: BatchSpec, now: Timestamp) -> Result<Batch> {
        self.sessions.run(keep_open::KeepOpen { batch, spec, now }).await
    }

    async fn begin_append(
        &self,
        space: &Space,
        batch: BatchId,
        patience: Duration,
        now: Timestamp,
    ) -> Result<Appending> {
        let operation = begin_append::BeginAppend {
            space,
            batch,
            patience,
            now,
        };
        self.sessions.run(operation).await
    }

    async fn end_append(
        &self,
        batch: BatchId,
        first: ItemIndex,
        keep: bool,
        now: Timestamp,
    ) -> Result<Batch> {
        let operation = end_append::EndAppend {
            batch,
            first,
            keep,
            now,
        };
        self.sessions.run(operation).await
    }

    async fn append_portion(
        &self,
        space: &Space,
        batch: BatchId,
        portion: Portion,
        now: Timestamp,
    ) -> Result<Portioned> {
        let operation = portion::AppendPortion {
            space,
            batch,
            portion,
            now,
        };
        self.sessions.run(operation).await
    }

    async fn producer_position(&self, space: &Space, batch: BatchId, producer: &str) -> Result<Option<u32>> {
        let operation = portion::Position {
            space,
            batch,
            producer,
        };
        self.sessions.run(operation).await
    }

    async fn discard_batch(&self, batch: BatchId) -> Result<bool> {
        self.sessions.run(discard::Discard { batch }).await
    }

    async fn abandoned_batches(&self, idle_since: Timestamp, limit: u32) -> Result<Vec<BatchId>> {
        self.sessions
            .run(abandoned::Abandoned { idle_since, limit })
            .await
    }

    async fn unsealed_batches(&self, idle_since: Timestamp, limit: u32) -> Result<Vec<BatchId>> {
        self.sessions.run(unsealed::Unsealed { idle_since, limit }).await
    }
}

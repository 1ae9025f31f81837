//! Reading. Every query of a person names the space, so what belongs to another one is not found; nor is what is being
//! removed.

mod audit;
mod batches;
mod items;
mod results;
mod skipped;
mod supply;
mod tried;

use async_trait::async_trait;
use flotilla_core::Result;
use flotilla_core::attempt::Tried;
use flotilla_core::audit::Audit;
use flotilla_core::batch::{Batch, BatchFilter, BatchName};
use flotilla_core::ids::{BatchId, ItemIndex, Space};
use flotilla_core::item::{Item, ItemFilter};
use flotilla_core::limits::{Ceilings, ScopeUse, Supply};
use flotilla_core::ports::store::Reading;
use flotilla_core::result::BatchResult;
use flotilla_core::skipped::SkippedItem;
use jiff::Timestamp;

use crate::SqliteStore;

#[async_trait]
impl Reading for SqliteStore {
    async fn batch(&self, space: &Space, id: BatchId) -> Result<Option<Batch>> {
        let space = space.clone();
        self.readers
            .run("read a batch", move |db| batches::one(db, &space, id))
            .await
    }

    async fn batches(&self, space: &Space, filter: &BatchFilter, limit: u32) -> Result<Vec<Batch>> {
        let (space, filter) = (space.clone(), filter.clone());
        self.readers
            .run("list batches", move |db| {
                batches::page(db, &space, &filter, limit)
            })
            .await
    }

    async fn batch_names(&self, space: &Space, filter: &BatchFilter, limit: u32) -> Result<Vec<BatchName>> {
        let (space, filter) = (space.clone(), filter.clone());
        self.readers
            .run("list the names of batches", move |db| {
                batches::names(db, &space, &filter, limit)
            })
            .await
    }

    async fn batches_of(&self, space: &Space, ids: &[BatchId]) -> Result<Vec<Batch>> {
        let (space, ids) = (space.clone(), ids.to_vec());
        self.readers
            .run("read batches", move |db| batches::these(db, &space, &ids))
            .await
    }

    async fn unfinished(&self, after: Option<BatchId>, limit: u32) -> Result<Vec<Batch>> {
        self.readers
            .run("list batches that have not ended", move |db| {
                batches::unfinished(db, after, limit)
            })
            .await
    }

    async fn finished(&self, after: (Timestamp, BatchId), limit: u32) -> Result<Vec<Batch>> {
        self.readers
            .run("list batches that have ended", move |db| {
                batches::finished(db, after, limit)
            })
            .await
    }

    async fn items(
        &self,
        space: &Space,
        batch: BatchId,
        filter: &ItemFilter,
        limit: u32,
    ) -> Result<Vec<Item>> {
        let (space, filter) = (space.clone(), *filter);
        self.readers
            .run("list items", move |db| {
                items::page(db, &space, batch, filter, limit)
            })
            .await
    }

    async fn item_named(&self, space: &Space, batch: BatchId, custom_id: &str) -> Result<Option<ItemIndex>> {
        let (space, custom_id) = (space.clone(), custom_id.to_owned());
        self.readers
            .run("find an item by its name", move |db| {
                items::named(db, &space, batch, &custom_id)
            })
            .await
    }

    async fn skipped(
        &self,
        space: &Space,
        batch: BatchId,
        after: Option<u32>,
        limit: u32,
    ) -> Result<Vec<(u32, SkippedItem)>> {
        let space = space.clone();
        self.readers
            .run("read what was skipped", move |db| {
                skipped::of(db, &space, batch, after, limit)
            })
            .await
    }

    async fn tried(&self, space: &Space, batch: BatchId, index: ItemIndex) -> Result<Vec<Tried>> {
        let space = space.clone();
        self.readers
            .run("read attempts", move |db| tried::of(db, &space, batch, index))
            .await
    }

    async fn result(
        &self,
        space: &Space,
        batch: BatchId,
        revision: Option<u32>,
    ) -> Result<Option<BatchResult>> {
        let space = space.clone();
        self.readers
            .run("read a result", move |db| {
                results::one(db, &space, batch, revision)
            })
            .await
    }

    async fn audit(&self, space: &Space, batch: BatchId) -> Result<Option<Audit>> {
        let space = space.clone();
        self.readers
            .run("audit a batch", move |db| audit::of(db, &space, batch))
            .await
    }

    async fn supply(
        &self,
        space: &Space,
        batch: BatchId,
        ceilings: &Ceilings,
        now: Timestamp,
    ) -> Result<Option<(Supply, Vec<ScopeUse>)>> {
        let (space, ceilings) = (space.clone(), ceilings.clone());
        self.readers
            .run("read what may be dispatched", move |db| {
                supply::of(db, &space, batch, &ceilings, now)
            })
            .await
    }
}

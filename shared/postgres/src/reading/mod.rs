//! Reading. Every query is scoped by the space.

mod audit;
mod batches;
mod items;
mod result;
mod skipped;
mod supply;
mod tried;
mod watched;

use async_trait::async_trait;
use flotilla_core::attempt::Tried;
use flotilla_core::audit::Audit;
use flotilla_core::batch::{Batch, BatchFilter, BatchName};
use flotilla_core::item::{Item, ItemFilter};
use flotilla_core::limits::{Ceilings, ScopeUse, Supply};
use flotilla_core::ports::store::Reading;
use flotilla_core::result::BatchResult;
use flotilla_core::skipped::SkippedItem;
use flotilla_core::{BatchId, ItemIndex, Result, Space};
use jiff::Timestamp;

use crate::PostgresStore;

#[async_trait]
impl Reading for PostgresStore {
    async fn batch(&self, space: &Space, id: BatchId) -> Result<Option<Batch>> {
        self.sessions.run(batches::One { space, id }).await
    }

    async fn batches(&self, space: &Space, filter: &BatchFilter, limit: u32) -> Result<Vec<Batch>> {
        self.sessions.run(batches::Page { space, filter, limit }).await
    }

    async fn batch_names(&self, space: &Space, filter: &BatchFilter, limit: u32) -> Result<Vec<BatchName>> {
        self.sessions.run(batches::Names { space, filter, limit }).await
    }

    async fn batches_of(&self, space: &Space, ids: &[BatchId]) -> Result<Vec<Batch>> {
        self.sessions.run(batches::These { space, ids }).await
    }

    async fn unfinished(&self, after: Option<BatchId>, limit: u32) -> Result<Vec<Batch>> {
        self.sessions.run(watched::Unfinished { after, limit }).await
    }

    async fn finished(&self, after: (Timestamp, BatchId), limit: u32) -> Result<Vec<Batch>> {
        self.sessions.run(watched::Finished { after, limit }).await
    }

    async fn items(
        &self,
        space: &Space,
        batch: BatchId,
        filter: &ItemFilter,
        limit: u32,
    ) -> Result<Vec<Item>> {
        let page = items::Page {
            space,
            batch,
            filter,
            limit,
        };
        self.sessions.run(page).await
    }

    async fn item_named(&self, space: &Space, batch: BatchId, custom_id: &str) -> Result<Option<ItemIndex>> {
        let named = items::Named {
            space,
            batch,
            custom_id,
        };
        self.sessions.run(named).await
    }

    async fn skipped(
        &self,
        space: &Space,
        batch: BatchId,
        after: Option<u32>,
        limit: u32,
    ) -> Result<Vec<(u32, SkippedItem)>> {
        let page = skipped::SkippedOf {
            space,
            batch,
            after,
            limit,
        };
        self.sessions.run(page).await
    }

    async fn tried(&self, space: &Space, batch: BatchId, index: ItemIndex) -> Result<Vec<Tried>> {
        self.sessions.run(tried::TriedOf { space, batch, index }).await
    }

    async fn result(
        &self,
        space: &Space,
        batch: BatchId,
        revision: Option<u32>,
    ) -> Result<Option<BatchResult>> {
        let result = result::ResultOf {
            space,
            batch,
            revision,
        };
        self.sessions.run(result).await
    }

    async fn audit(&self, space: &Space, batch: BatchId) -> Result<Option<Audit>> {
        self.sessions.run(audit::AuditOf { space, batch }).await
    }

    async fn supply(
        &self,
        space: &Space,
        batch: BatchId,
        ceilings: &Ceilings,
        now: Timestamp,
    ) -> Result<Option<(Supply, Vec<ScopeUse>)>> {
        let supply = supply::SupplyOf {
            space,
            batch,
            ceilings,
            now,
        };
        self.sessions.run(supply).await
    }
}

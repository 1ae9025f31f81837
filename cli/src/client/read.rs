//! Reading batches.

use anyhow::{Context, Result};
use serde_json::value::RawValue;

use super::view::{BatchPage, BatchView, ErrorsView, ExplainView, ItemPage, WorkersView};
use super::{Client, Reply};

/// The largest page that the API gives.
const PAGE: u32 = 1_000;

impl Client {
    /// One batch.
    pub(crate) async fn batch(&self, id: &str) -> Result<Reply> {
        self.get(&["v1", "batches", id], &[]).await
    }

    /// How items of a batch failed so far.
    pub(crate) async fn errors(&self, id: &str) -> Result<ErrorsView> {
        self.get(&["v1", "batches", id, "errors"], &[]).await?.to()
    }

    /// Why a batch has not ended.
    pub(crate) async fn reasons(&self, id: &str) -> Result<ExplainView> {
        self.get(&["v1", "batches", id, "explain"], &[]).await?.to()
    }

    /// The fleet.
    pub(crate) async fn workers(&self) -> Result<WorkersView> {
        self.get(&["v1", "workers"], &[]).await?.to()
    }

    /// The newest batches.
    pub(crate) async fn batches(
        &self,
        state: Option<&str>,
        search: Option<&str>,
        cursor: Option<&str>,
        limit: u32,
    ) -> Result<Reply> {
        let mut query = vec![("limit", limit.to_string())];
        query.extend(state.map(|state| ("state", state.to_owned())));
        query.extend(search.map(|search| ("search", search.to_owned())));
        query.extend(cursor.map(|cursor| ("cursor", cursor.to_owned())));
        self.get(&["v1", "batches"], &query).await
    }

    /// The newest batch of all.
    pub(crate) async fn newest_batch(&self) -> Result<Option<BatchView>> {
        let page: BatchPage = self.batches(None, None, None, 1).await?.to()?;
        Ok(page.batches.into_iter().next())
    }

    /// A page of items.
    pub(crate) async fn items(
        &self,
        id: &str,
        state: Option<&str>,
        custom_id: Option<&str>,
        cursor: Option<&str>,
        limit: u32,
    ) -> Result<Reply> {
        let mut query = vec![("limit", limit.to_string())];
        query.extend(state.map(|state| ("state", state.to_owned())));
        query.extend(custom_id.map(|custom_id| ("custom_id", custom_id.to_owned())));
        query.extend(cursor.map(|cursor| ("cursor", cursor.to_owned())));
        self.get(&["v1", "batches", id, "items"], &query).await
    }

    /// Every item of a batch, in input order, handed over page by page: what is held is one page.
    pub(crate) async fn all_items(
        &self,
        id: &str,
        state: Option<&str>,
        mut take: impl FnMut(Vec<Box<RawValue>>) -> Result<()>,
    ) -> Result<()> {
        let mut cursor: Option<String> = None;
        loop {
            let reply = self.items(id, state, None, cursor.as_deref(), PAGE).await?;
            let page: ItemPage = reply.to().context("a page of items")?;
            take(page.items)?;
            match page.next_cursor {
                Some(next) => cursor = Some(next),
                None => return Ok(()),
            }
        }
    }

    /// What a finished batch amounts to: at that revision, or now.
    pub(crate) async fn result(&self, id: &str, revision: Option<u32>) -> Result<Reply> {
        let query = revision.map(|revision| ("revision", revision.to_string()));
        self.get(&["v1", "batches", id, "result"], query.as_slice()).await
    }
}

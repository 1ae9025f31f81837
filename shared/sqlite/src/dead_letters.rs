//! Deciding about items that were given up on.

mod batches;
mod discard;
mod filter;
mod groups;
mod list;

use async_trait::async_trait;
use flotilla_core::Result;
use flotilla_core::dead_letter::{DeadFilter, DeadGroup, DeadLetter};
use flotilla_core::ids::{BatchId, Space};
use flotilla_core::ports::store::DeadLetters;

use crate::SqliteStore;

#[async_trait]
impl DeadLetters for SqliteStore {
    async fn dead_letters(&self, space: &Space, filter: &DeadFilter, limit: u32) -> Result<Vec<DeadLetter>> {
        let (space, filter) = (space.clone(), filter.clone());
        self.readers
            .run("list dead letters", move |db| {
                list::page(db, &space, &filter, limit)
            })
            .await
    }

    async fn dead_groups(&self, space: &Space, filter: &DeadFilter, limit: u32) -> Result<Vec<DeadGroup>> {
        let (space, filter) = (space.clone(), filter.clone());
        self.readers
            .run("group dead letters", move |db| {
                groups::largest(db, &space, &filter, limit)
            })
            .await
    }

    async fn dead_batches(
        &self,
        space: &Space,
        filter: &DeadFilter,
        limit: u32,
    ) -> Result<Vec<(BatchId, u32)>> {
        let (space, filter) = (space.clone(), filter.clone());
        self.readers
            .run("list batches with dead letters", move |db| {
                batches::newest(db, &space, &filter, limit)
            })
            .await
    }

    async fn discard_dead(&self, space: &Space, filter: &DeadFilter, limit: u32) -> Result<u32> {
        let (space, filter) = (space.clone(), filter.clone());
        self.writer
            .run("discard dead letters", move |db| {
                discard::discard(db, &space, &filter, limit)
            })
            .await
    }
}

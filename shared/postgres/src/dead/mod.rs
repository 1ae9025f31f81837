//! Items that were given up on.

mod batches;
mod chosen;
mod discard;
mod groups;
mod list;

use async_trait::async_trait;
use flotilla_core::dead_letter::{DeadFilter, DeadGroup, DeadLetter};
use flotilla_core::ports::store::DeadLetters;
use flotilla_core::{BatchId, Result, Space};

use crate::PostgresStore;
use chosen::Chosen;

#[async_trait]
impl DeadLetters for PostgresStore {
    async fn dead_letters(&self, space: &Space, filter: &DeadFilter, limit: u32) -> Result<Vec<DeadLetter>> {
        let chosen = Chosen::by(space, filter, limit);
        self.sessions.run(list::List { chosen }).await
    }

    async fn dead_groups(&self, space: &Space, filter: &DeadFilter, limit: u32) -> Result<Vec<DeadGroup>> {
        let chosen = Chosen::by(space, filter, limit);
        self.sessions.run(groups::Groups { chosen }).await
    }

    async fn dead_batches(
        &self,
        space: &Space,
        filter: &DeadFilter,
        limit: u32,
    ) -> Result<Vec<(BatchId, u32)>> {
        let chosen = Chosen::by(space, filter, limit);
        self.sessions.run(batches::Batches { chosen }).await
    }

    async fn discard_dead(&self, space: &Space, filter: &DeadFilter, limit: u32) -> Result<u32> {
        let chosen = Chosen::by(space, filter, limit);
        self.sessions.run(discard::Discard { chosen }).await
    }
}

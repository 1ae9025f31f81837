//! Steering batches.

mod command;
mod history;
mod reopen;

use async_trait::async_trait;
use flotilla_core::command::{Actor, BatchEvent, Command, Selection};
use flotilla_core::ports::store::{Reopened, Steer, Steered};
use flotilla_core::{BatchId, Result, Space};
use jiff::Timestamp;

use crate::PostgresStore;

#[async_trait]
impl Steer for PostgresStore {
    async fn command(
        &self,
        space: &Space,
        batch: BatchId,
        command: &Command,
        by: &Actor,
        now: Timestamp,
    ) -> Result<Steered> {
        let operation = command::Act {
            space,
            batch,
            command,
            by,
            now,
        };
        self.sessions.run(operation).await
    }

    async fn reopen(
        &self,
        space: &Space,
        batch: BatchId,
        selection: &Selection,
        dry_run: bool,
        by: &Actor,
        now: Timestamp,
    ) -> Result<Reopened> {
        let operation = reopen::Reopen {
            space,
            batch,
            selection,
            dry_run,
            by,
            now,
        };
        self.sessions.run(operation).await
    }

    async fn history(&self, space: &Space, batch: BatchId) -> Result<Vec<BatchEvent>> {
        self.sessions.run(history::History { space, batch }).await
    }
}

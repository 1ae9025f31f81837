//! Steering batches.

mod command;
mod history;
mod reopen;
mod selected;

use async_trait::async_trait;
use flotilla_core::Result;
use flotilla_core::command::{Actor, BatchEvent, Command, Selection};
use flotilla_core::ids::{BatchId, Space};
use flotilla_core::ports::store::{Reopened, Steer, Steered};
use jiff::Timestamp;

use crate::SqliteStore;

#[async_trait]
impl Steer for SqliteStore {
    async fn command(
        &self,
        space: &Space,
        batch: BatchId,
        command: &Command,
        by: &Actor,
        now: Timestamp,
    ) -> Result<Steered> {
        let (space, command, by) = (space.clone(), command.clone(), by.clone());
        self.writer
            .run("steer a batch", move |db| {
                command::command(db, &space, batch, &command, &by, now)
            })
            .await
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
        let (space, selection, by) = (space.clone(), selection.clone(), by.clone());
        if dry_run {
            return self
                .readers
                .run("count items that would run again", move |db| {
                    reopen::dry_run(db, &space, batch, &selection, now)
                })
                .await;
        }
        self.writer
            .run("let items run again", move |db| {
                reopen::reopen(db, &space, batch, &selection, &by, now)
            })
            .await
    }

    async fn history(&self, space: &Space, batch: BatchId) -> Result<Vec<BatchEvent>> {
        let space = space.clone();
        self.readers
            .run("read the history of a batch", move |db| {
                history::of(db, &space, batch)
            })
            .await
    }
}

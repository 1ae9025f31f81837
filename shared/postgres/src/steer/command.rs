//! Does something to a batch.

use deadpool_postgres::Transaction;
use flotilla_core::command::{Actor, Command};
use flotilla_core::ports::store::Steered;
use flotilla_core::record::BatchRecord;
use flotilla_core::{BatchId, BatchState, Result, Space};
use jiff::Timestamp;
use tokio_postgres::Row;

use crate::error::Failure;
use crate::intake::kept_open;
use crate::lock;
use crate::rows::{get, record};
use crate::session::{Client, Operation};
use crate::writes::{self, Change, Kept};

pub(super) struct Act<'a> {
    pub(super) space: &'a Space,
    pub(super) batch: BatchId,
    pub(super) command: &'a Command,
    pub(super) by: &'a Actor,
    pub(super) now: Timestamp,
}

impl Operation for Act<'_> {
    type Output = Steered;
    const ATTEMPT: &'static str = "steer a batch";

    async fn run(&self, client: &mut Client) -> Result<Steered, Failure> {
        let transaction = client.transaction().await?;
        let row = lock::whole(&transaction, self.batch).await?;
        let Some((row, mut record)) = visible(row, self.space)? else {
            return Ok(Steered::Unknown);
        };
        if *self.command == Command::Seal && record.state == BatchState::Open {
            self.may_seal(&row)?;
        }
        let before = Kept::of(&record);
        let was_open = record.state == BatchState::Open;
        let commanded = match record.command(self.command, self.by, self.now) {
            Ok(commanded) => commanded,
            Err(forbidden) => return Ok(Steered::Forbidden(forbidden)),
        };
        if !commanded.changed {
            return Ok(Steered::Unchanged(Box::new(record.seen_at(self.now))));
        }
        if was_open && record.state != BatchState::Open {
            self.close(&transaction, &row).await?;
        }
        let change = Change::of_batch(before, record, commanded.events, commanded.result);
        writes::store(&transaction, std::slice::from_ref(&change), self.now).await?;
        transaction.commit().await?;
        Ok(Steered::Done(Box::new(change.record.seen_at(self.now))))
    }
}

impl Act<'_> {
    /// An upload is sealed by whoever uploads it; a batch that stays open, not while somebody appends.
    fn may_seal(&self, row: &Row) -> Result<(), Failure> {
        if get(row, "stays_open")? && !kept_open::is_appending(row, None, self.now)? {
            return Ok(());
        }
        Err(Failure::Conflict(format!(
            "batch {} can't be sealed while items are appended to it: try again when that has ended",
            self.batch
        )))
    }

    /// What an append left that never ended is not part of the batch.
    async fn close(&self, transaction: &Transaction<'_>, row: &Row) -> Result<(), Failure> {
        if get(row, "stays_open")? {
            kept_open::close(transaction, self.batch, self.now).await?;
        }
        Ok(())
    }
}

/// A row with its batch, where `space` may see it.
pub(super) fn visible(row: Option<Row>, space: &Space) -> Result<Option<(Row, BatchRecord)>, Failure> {
    let Some(row) = row else {
        return Ok(None);
    };
    let record = record(&row)?;
    let seen = record.space == *space && record.deleted_at.is_none();
    Ok(seen.then_some((row, record)))
}

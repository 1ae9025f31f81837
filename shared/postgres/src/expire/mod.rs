//! Removing what batches leave, as their retention says.

mod archived;
mod begin;
mod due;
mod end;
mod some;

use async_trait::async_trait;
use deadpool_postgres::Transaction;
use flotilla_core::ports::store::{Expire, Expiry, Removed};
use flotilla_core::record::{BatchRecord, Control};
use flotilla_core::retention::Part;
use flotilla_core::{BatchId, Result};
use jiff::Timestamp;

use crate::PostgresStore;
use crate::error::Failure;
use crate::lock;
use crate::rows::{record, text_of};

#[async_trait]
impl Expire for PostgresStore {
    async fn due_expiries(&self, limit: u32, now: Timestamp) -> Result<Vec<Expiry>> {
        self.sessions.run(due::Due { limit, now }).await
    }

    async fn begin_expiry(&self, batch: BatchId, part: Part, now: Timestamp) -> Result<bool> {
        self.sessions.run(begin::Begin { batch, part, now }).await
    }

    async fn expire_some(&self, batch: BatchId, part: Part, limit: u32) -> Result<Removed> {
        self.sessions.run(some::RemoveSome { batch, part, limit }).await
    }

    async fn end_expiry(&self, batch: BatchId, part: Part) -> Result<()> {
        self.sessions.run(end::End { batch, part }).await
    }

    async fn archived(&self, batch: BatchId, revision: u32) -> Result<bool> {
        self.sessions.run(archived::Archived { batch, revision }).await
    }
}

const CONTROL: &str = "UPDATE batches SET control = $2 WHERE id = $1";

/// Locks a batch and reads it.
async fn locked(transaction: &Transaction<'_>, batch: BatchId) -> Result<Option<BatchRecord>, Failure> {
    let row = lock::whole(transaction, batch).await?;
    row.as_ref().map(record).transpose()
}

/// Writes what steers a batch. It is locked.
async fn save(transaction: &Transaction<'_>, batch: BatchId, control: &Control) -> Result<(), Failure> {
    let statement = transaction.prepare_cached(CONTROL).await?;
    let text = text_of("what steers a batch", control)?;
    transaction.execute(&statement, &[&batch.0, &text]).await?;
    Ok(())
}

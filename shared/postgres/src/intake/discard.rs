//! Removes an upload that nobody finishes.

use flotilla_core::{BatchId, Result};

use super::{items, names, skip};
use crate::error::Failure;
use crate::lock;
use crate::rows::count;
use crate::session::{Client, Operation};

/// Also those of an append that never ended.
const ITEMS: &str = "SELECT total FROM batches WHERE id = $1 AND state = 'open'";
/// What it reserved was never accepted.
const KEYS: &str = "DELETE FROM item_keys WHERE batch_id = $1";
const DELETE: &str = "DELETE FROM batches WHERE id = $1";

pub(super) struct Discard {
    pub(super) batch: BatchId,
}

impl Operation for Discard {
    type Output = bool;
    const ATTEMPT: &'static str = "discard an upload";

    async fn run(&self, client: &mut Client) -> Result<bool, Failure> {
        let transaction = client.transaction().await?;
        lock::whole(&transaction, self.batch).await?;
        let statement = transaction.prepare_cached(ITEMS).await?;
        let Some(row) = transaction.query_opt(&statement, &[&self.batch.0]).await? else {
            return Ok(false);
        };
        items::delete(&transaction, self.batch, 0, count(&row, "total")?).await?;
        names::free(&transaction, self.batch, 0).await?;
        skip::drop_from(&transaction, self.batch, 0).await?;
        let statement = transaction.prepare_cached(KEYS).await?;
        transaction.execute(&statement, &[&self.batch.0]).await?;
        let statement = transaction.prepare_cached(DELETE).await?;
        transaction.execute(&statement, &[&self.batch.0]).await?;
        transaction.commit().await?;
        Ok(true)
    }
}

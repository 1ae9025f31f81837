//! Removes an upload that nobody finishes.

use deadpool_postgres::Transaction;
use flotilla_core::{BatchId, Result};

use crate::error::Failure;
use crate::rows::count;
use crate::session::{Client, Operation};

/// The counters first, as everybody does who locks both.
const LOCK_COUNTERS: &str = "SELECT FROM batch_counters WHERE batch_id = $1 FOR UPDATE";
const LOCK_OPEN: &str = "SELECT total FROM batches WHERE id = $1 AND state = 'open' FOR UPDATE";
const DELETE_ITEMS: &str = "DELETE FROM batch_items WHERE batch_id = $1 AND index >= $2 AND index < $3";
const DELETE_BATCH: &str = "DELETE FROM batches WHERE id = $1";

/// Items per statement, so that no statement comes near its time limit.
const SLICE: i32 = 50_000;

pub(super) struct Discard {
    pub(super) batch: BatchId,
}

impl Operation for Discard {
    type Output = bool;
    const ATTEMPT: &'static str = "discard an upload";

    async fn run(&self, client: &mut Client) -> Result<bool, Failure> {
        let transaction = client.transaction().await?;
        let counters = transaction.prepare_cached(LOCK_COUNTERS).await?;
        transaction.execute(&counters, &[&self.batch.0]).await?;
        let lock = transaction.prepare_cached(LOCK_OPEN).await?;
        let Some(row) = transaction.query_opt(&lock, &[&self.batch.0]).await? else {
            return Ok(false);
        };
        self.delete_items(&transaction, count(&row, "total")?).await?;
        let statement = transaction.prepare_cached(DELETE_BATCH).await?;
        transaction.execute(&statement, &[&self.batch.0]).await?;
        transaction.commit().await?;
        Ok(true)
    }
}

impl Discard {
    async fn delete_items(&self, transaction: &Transaction<'_>, total: u32) -> Result<(), Failure> {
        let statement = transaction.prepare_cached(DELETE_ITEMS).await?;
        let mut from = 0_i32;
        while u32::try_from(from).is_ok_and(|from| from < total) {
            let to = from.saturating_add(SLICE);
            transaction
                .execute(&statement, &[&self.batch.0, &from, &to])
                .await?;
            from = to;
        }
        Ok(())
    }
}

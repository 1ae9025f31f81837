//! Removes what is left of a batch, some rows at a time.

use flotilla_core::{BatchId, BatchState, Result};

use crate::error::Failure;
use crate::lock;
use crate::rows::record;
use crate::session::{Client, Operation};

/// Found by key, removed by place: each row is looked for once.
macro_rules! delete_some {
    ($table:literal) => {
        concat!(
            "DELETE FROM ",
            $table,
            " WHERE ctid = ANY (ARRAY(SELECT ctid FROM ",
            $table,
            " WHERE batch_id = $1 LIMIT $2))"
        )
    };
}

/// The tables with a row per item. The keys that it reserved stay for as long as they are to be remembered.
const SOME: [&str; 8] = [
    delete_some!("dead_letters"),
    delete_some!("item_leases"),
    delete_some!("item_retries"),
    delete_some!("item_attempts"),
    delete_some!("batch_outcomes"),
    delete_some!("batch_skipped"),
    delete_some!("item_names"),
    delete_some!("batch_items"),
];

/// Everything else that it has goes with it.
const BATCH: &str = "DELETE FROM batches WHERE id = $1";

pub(super) struct Purge {
    pub(super) batch: BatchId,
    pub(super) limit: u32,
}

impl Operation for Purge {
    type Output = bool;
    const ATTEMPT: &'static str = "remove a batch";

    async fn run(&self, client: &mut Client) -> Result<bool, Failure> {
        let transaction = client.transaction().await?;
        let Some(row) = lock::whole(&transaction, self.batch).await? else {
            return Ok(true);
        };
        let batch = record(&row)?;
        if batch.deleted_at.is_none() || !BatchState::is_final(batch.state) {
            return Ok(false);
        }
        let mut left = u64::from(self.limit.max(1));
        for delete in SOME {
            let statement = transaction.prepare_cached(delete).await?;
            let most = i64::try_from(left).unwrap_or(i64::MAX);
            left = left.saturating_sub(transaction.execute(&statement, &[&self.batch.0, &most]).await?);
            if left == 0 {
                break;
            }
        }
        if left > 0 {
            let statement = transaction.prepare_cached(BATCH).await?;
            transaction.execute(&statement, &[&self.batch.0]).await?;
        }
        transaction.commit().await?;
        Ok(left > 0)
    }
}

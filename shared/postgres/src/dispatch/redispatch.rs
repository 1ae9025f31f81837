//! Sends out again what the broker lost.

use flotilla_core::{BatchId, Result};
use futures_util::future::try_join3;
use jiff::Timestamp;

use crate::error::Failure;
use crate::rows::{integer, unsigned};
use crate::session::{Client, Operation};

/// No claim is made meanwhile,
const LOCK_CURSOR: &str = "SELECT FROM batch_dispatch WHERE batch_id = $1 FOR NO KEY UPDATE";
/// and no outcome is recorded.
const LOCK_COUNTERS: &str = "SELECT FROM batch_counters WHERE batch_id = $1 FOR NO KEY UPDATE";
const REDISPATCH: &str = include_str!("redispatch.sql");
const COUNT: &str =
    "UPDATE batch_counters SET version = version + 1, returned = returned + $2 WHERE batch_id = $1";

pub(super) struct Redispatch {
    pub(super) batch: BatchId,
    pub(super) now: Timestamp,
}

impl Operation for Redispatch {
    type Output = u32;
    const ATTEMPT: &'static str = "redispatch items";

    async fn run(&self, client: &mut Client) -> Result<u32, Failure> {
        let transaction = client.transaction().await?;
        let cursor = transaction.prepare_cached(LOCK_CURSOR).await?;
        let counters = transaction.prepare_cached(LOCK_COUNTERS).await?;
        let redispatch = transaction.prepare_cached(REDISPATCH).await?;
        let (_, _, many) = try_join3(
            transaction.execute(&cursor, &[&self.batch.0]),
            transaction.execute(&counters, &[&self.batch.0]),
            transaction.execute(&redispatch, &[&self.batch.0, &self.now]),
        )
        .await?;
        let many = unsigned("index", many)?;
        if many > 0 {
            let statement = transaction.prepare_cached(COUNT).await?;
            transaction
                .execute(&statement, &[&self.batch.0, &integer(many)])
                .await?;
        }
        transaction.commit().await?;
        Ok(many)
    }
}

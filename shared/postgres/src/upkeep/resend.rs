//! Sends again what was lost on the way.

use flotilla_core::ports::store::Resend;
use flotilla_core::{BatchId, Result};
use futures_util::future::try_join3;
use jiff::Timestamp;

use crate::error::Failure;
use crate::rows::{get, integer, unsigned};
use crate::session::{Client, Operation};

/// No claim is made meanwhile,
const LOCK_CURSOR: &str = "SELECT FROM batch_dispatch WHERE batch_id = $1 FOR NO KEY UPDATE";
/// and no outcome is recorded.
const LOCK_COUNTERS: &str = "SELECT FROM batch_counters WHERE batch_id = $1 FOR NO KEY UPDATE";
const RESEND: &str = include_str!("resend.sql");
const COUNT: &str =
    "UPDATE batch_counters SET version = version + 1, returned = returned + $2 WHERE batch_id = $1";

pub(super) struct ResendLost<'a> {
    pub(super) batch: BatchId,
    pub(super) lost: &'a [Resend],
}

impl Operation for ResendLost<'_> {
    type Output = u32;
    const ATTEMPT: &'static str = "dispatch lost items again";

    async fn run(&self, client: &mut Client) -> Result<u32, Failure> {
        let sent = || self.lost.iter().map(|lost| lost.sent);
        let indices: Vec<i32> = sent().map(|sent| integer(sent.index)).collect();
        let attempts: Vec<i32> = sent().map(|sent| sent.attempt.into()).collect();
        let resends: Vec<i32> = sent().map(|sent| sent.resends.into()).collect();
        let first: Vec<bool> = sent().map(|sent| sent.first).collect();
        let due_at: Vec<Timestamp> = self.lost.iter().map(|lost| lost.due_at).collect();

        let transaction = client.transaction().await?;
        let cursor = transaction.prepare_cached(LOCK_CURSOR).await?;
        let counters = transaction.prepare_cached(LOCK_COUNTERS).await?;
        let resend = transaction.prepare_cached(RESEND).await?;
        let parameters: [&(dyn tokio_postgres::types::ToSql + Sync); 6] =
            [&self.batch.0, &indices, &attempts, &resends, &first, &due_at];
        let (_, _, row) = try_join3(
            transaction.execute(&cursor, &[&self.batch.0]),
            transaction.execute(&counters, &[&self.batch.0]),
            transaction.query_one(&resend, &parameters),
        )
        .await?;
        let resent: u32 = unsigned("resent", get::<i64>(&row, "resent")?)?;
        if resent > 0 {
            let statement = transaction.prepare_cached(COUNT).await?;
            transaction
                .execute(&statement, &[&self.batch.0, &integer(resent)])
                .await?;
        }
        transaction.commit().await?;
        Ok(resent)
    }
}

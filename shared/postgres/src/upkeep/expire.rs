//! Lets leases that are over fail their attempt.

use deadpool_postgres::Transaction;
use flotilla_core::attempt::Attempt;
use flotilla_core::batch::Batch;
use flotilla_core::message::Verdict;
use flotilla_core::{BatchId, Result};
use jiff::Timestamp;
use tokio_postgres::Row;
use uuid::Uuid;

use crate::error::Failure;
use crate::ledger::places::{AllKnown, Known, leased};
use crate::ledger::record::Recording;
use crate::rows::{batch_id, count, get, unsigned};
use crate::session::{Client, Operation};

const OVER: &str = "\
    SELECT batch_id, index, attempt, kind FROM item_leases WHERE until <= $1 ORDER BY until LIMIT $2";

/// Whatever is still over when their items were taken care of, no item has: the previous version knows nothing of leases.
const FORGET: &str = "\
    DELETE FROM item_leases
    WHERE until <= $3 AND ctid = ANY (ARRAY(
        SELECT l.ctid FROM unnest($1::uuid[], $2::integer[]) AS o (batch_id, index)
        CROSS JOIN LATERAL (
            SELECT ctid FROM item_leases WHERE batch_id = o.batch_id AND index = o.index LIMIT 1
        ) AS l
    ))";

pub(super) struct Expire {
    pub(super) limit: u32,
    pub(super) now: Timestamp,
}

impl Operation for Expire {
    type Output = Vec<Batch>;
    const ATTEMPT: &'static str = "expire leases";

    async fn run(&self, client: &mut Client) -> Result<Vec<Batch>, Failure> {
        let transaction = client.transaction().await?;
        let statement = transaction.prepare_cached(OVER).await?;
        let rows = transaction
            .query(&statement, &[&self.now, &i64::from(self.limit)])
            .await?;
        if rows.is_empty() {
            return Ok(Vec::new());
        }
        let attempts = rows
            .iter()
            .map(|row| self.attempt(row))
            .collect::<Result<_, Failure>>()?;
        let still_over = |attempt: &Attempt, known: &AllKnown| self.is_over(known, attempt);
        let recorded = Recording::new(attempts, self.now)
            .run(&transaction, still_over)
            .await?;
        self.forget(&transaction, &rows).await?;
        transaction.commit().await?;
        let changed = recorded.into_iter().filter(|(_, changed)| *changed);
        Ok(changed.map(|(batch, _)| batch).collect())
    }
}

impl Expire {
    /// What nobody told: the attempt failed.
    fn attempt(&self, row: &Row) -> Result<Attempt, Failure> {
        Ok(Attempt {
            batch: batch_id(row, "batch_id")?,
            index: count(row, "index")?,
            attempt: unsigned("attempt", get::<i32>(row, "attempt")?)?,
            verdict: Verdict::Retry {
                error: leased(get(row, "kind")?).lease_over(),
                after_ms: None,
            },
            started_at: self.now,
            duration_us: 0,
            worker: None,
            artifacts: Vec::new(),
        })
    }

    async fn forget(&self, transaction: &Transaction<'_>, rows: &[Row]) -> Result<(), Failure> {
        let mut batches: Vec<Uuid> = Vec::with_capacity(rows.len());
        let mut indexes: Vec<i32> = Vec::with_capacity(rows.len());
        for row in rows {
            batches.push(get(row, "batch_id")?);
            indexes.push(get(row, "index")?);
        }
        let statement = transaction.prepare_cached(FORGET).await?;
        transaction
            .execute(&statement, &[&batches, &indexes, &self.now])
            .await?;
        Ok(())
    }

    /// It may have been renewed before its batch was locked.
    fn is_over(&self, known: &AllKnown, attempt: &Attempt) -> bool {
        let key: (BatchId, _) = (attempt.batch, attempt.index);
        let lease = known.get(&key).and_then(Known::lease);
        lease.is_some_and(|lease| lease.until <= self.now)
    }
}

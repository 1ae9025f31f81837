//! Recounts a batch.

use flotilla_core::audit::{Audit, Rows};
use flotilla_core::{BatchId, BatchState, Result, Space};
use tokio_postgres::{IsolationLevel, Row};

use super::{batches, result};
use crate::error::Failure;
use crate::rows::{batch, count, get, integer, unsigned, value};
use crate::session::{Client, Operation};

const ROWS: &str = include_str!("audit.sql");

pub(super) struct AuditOf<'a> {
    pub(super) space: &'a Space,
    pub(super) batch: BatchId,
}

impl Operation for AuditOf<'_> {
    type Output = Option<Audit>;
    const ATTEMPT: &'static str = "audit a batch";

    /// In one snapshot: between two statements of another transaction nothing would have to add up.
    async fn run(&self, client: &mut Client) -> Result<Option<Audit>, Failure> {
        let transaction = client
            .build_transaction()
            .isolation_level(IsolationLevel::RepeatableRead)
            .read_only(true)
            .start()
            .await?;
        let statement = transaction.prepare_cached(batches::ONE).await?;
        let (id, space) = (&self.batch.0, &self.space.as_str());
        let Some(row) = transaction.query_opt(&statement, &[id, space]).await? else {
            return Ok(None);
        };
        let batch = batch(&row)?;
        let statement = transaction.prepare_cached(ROWS).await?;
        let (total, open) = (integer(batch.counts.total), batch.state == BatchState::Open);
        let rows = transaction.query_one(&statement, &[id, &total, &open]).await?;
        let statement = transaction.prepare_cached(result::RESULT).await?;
        let result = transaction
            .query_opt(&statement, &[id, space, &None::<i32>])
            .await?;
        let result = result.map(|row| value(&row, "result")).transpose()?;
        transaction.commit().await?;
        Ok(Some(Audit {
            batch,
            rows: counted(&rows)?,
            result,
        }))
    }
}

fn counted(row: &Row) -> Result<Rows, Failure> {
    let number = |column: &str| unsigned(column, get::<i64>(row, column)?);
    Ok(Rows {
        items: number("items")?,
        dispatched: count(row, "dispatched")?,
        retrying: number("retrying")?,
        returned: number("returned")?,
        waiting: number("waiting")?,
        leased: number("leased")?,
        succeeded: number("succeeded")?,
        failed: number("failed")?,
        cancelled: number("cancelled")?,
        strays: number("strays")?,
        torn: number("torn")?,
        dead_letters: number("dead_letters")?,
        stray_dead_letters: number("stray_dead_letters")?,
        resent: number("resent")?,
        results: number("results")?,
    })
}

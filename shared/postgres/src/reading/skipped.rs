//! What was sent with a batch and skipped.

use flotilla_core::skipped::SkippedItem;
use flotilla_core::{BatchId, Result, Space};
use tokio_postgres::Row;

use crate::error::Failure;
use crate::rows::{count, get, integer, parsed, unsigned};
use crate::session::{Client, Operation};

/// Rows that an append has not kept yet are not part of the batch.
const SKIPPED: &str = "\
    SELECT s.number, s.position, s.line, s.reason, s.detail, s.pointer, s.input
    FROM batches b JOIN batch_skipped s ON s.batch_id = b.id AND s.number < b.skipped
    WHERE b.id = $1 AND b.space = $2 AND b.deleted_at IS NULL AND s.number >= $3
    ORDER BY s.number
    LIMIT $4";

pub(super) struct SkippedOf<'a> {
    pub(super) space: &'a Space,
    pub(super) batch: BatchId,
    pub(super) after: Option<u32>,
    pub(super) limit: u32,
}

impl Operation for SkippedOf<'_> {
    type Output = Vec<(u32, SkippedItem)>;
    const ATTEMPT: &'static str = "read what was skipped";

    async fn run(&self, client: &mut Client) -> Result<Self::Output, Failure> {
        let from = self.after.map_or(0, |after| after.saturating_add(1));
        let statement = client.prepare_cached(SKIPPED).await?;
        let rows = client
            .query(
                &statement,
                &[
                    &self.batch.0,
                    &self.space.as_str(),
                    &integer(from),
                    &i64::from(self.limit),
                ],
            )
            .await?;
        rows.iter().map(skipped).collect()
    }
}

fn skipped(row: &Row) -> Result<(u32, SkippedItem), Failure> {
    let line: Option<i32> = get(row, "line")?;
    let item = SkippedItem {
        position: count(row, "position")?,
        line: line.map(|line| unsigned("line", line)).transpose()?,
        reason: parsed(row, "reason")?,
        detail: get(row, "detail")?,
        pointer: get(row, "pointer")?,
        input: get(row, "input")?,
    };
    Ok((count(row, "number")?, item))
}

//! What an item went through.

use flotilla_core::attempt::Tried;
use flotilla_core::{BatchId, ItemIndex, Result, Space};
use tokio_postgres::Row;

use crate::error::Failure;
use crate::rows::{corrupt, count, error, get, integer, unsigned, worker};
use crate::session::{Client, Operation};

const TRIED: &str = "\
    SELECT t.index, t.attempt, t.error_kind, t.error_message, t.started_at, t.duration_us, t.worker
    FROM item_attempts t
    WHERE t.batch_id = $1 AND t.index = $2
      AND EXISTS (SELECT FROM batches WHERE id = $1 AND space = $3 AND deleted_at IS NULL)
    ORDER BY t.attempt";

pub(super) struct TriedOf<'a> {
    pub(super) space: &'a Space,
    pub(super) batch: BatchId,
    pub(super) index: ItemIndex,
}

impl Operation for TriedOf<'_> {
    type Output = Vec<Tried>;
    const ATTEMPT: &'static str = "read the attempts at an item";

    async fn run(&self, client: &mut Client) -> Result<Vec<Tried>, Failure> {
        let statement = client.prepare_cached(TRIED).await?;
        let rows = client
            .query(
                &statement,
                &[&self.batch.0, &integer(self.index), &self.space.as_str()],
            )
            .await?;
        rows.iter().map(tried).collect()
    }
}

fn tried(row: &Row) -> Result<Tried, Failure> {
    Ok(Tried {
        index: count(row, "index")?,
        attempt: unsigned("attempt", get::<i32>(row, "attempt")?)?,
        error: error(row)?.ok_or_else(|| corrupt("error_kind", "it is missing"))?,
        started_at: get(row, "started_at")?,
        duration_us: unsigned("duration_us", get::<i64>(row, "duration_us")?)?,
        worker: worker(row)?,
    })
}

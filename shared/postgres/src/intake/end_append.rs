//! Ends an append: keeps all of its items, or none.

use flotilla_core::batch::Batch;
use flotilla_core::{BatchId, BatchState, ItemIndex, Result};
use jiff::Timestamp;

use super::kept_open;
use crate::error::Failure;
use crate::lock;
use crate::rows::{count, get, record};
use crate::session::{Client, Operation};
use crate::writes::{self, Change, Kept};

const KEEP: &str = "\
    UPDATE batches
    SET appended = total, append_ms = NULL, last_append_at = greatest(last_append_at, $2),
        skipped = coalesce((SELECT max(number) + 1 FROM batch_skipped WHERE batch_id = $1), 0)
    WHERE id = $1
    RETURNING total, skipped";

pub(super) struct EndAppend {
    pub(super) batch: BatchId,
    pub(super) first: ItemIndex,
    pub(super) keep: bool,
    pub(super) now: Timestamp,
}

impl Operation for EndAppend {
    type Output = Batch;
    const ATTEMPT: &'static str = "end an append";

    async fn run(&self, client: &mut Client) -> Result<Batch, Failure> {
        let id = self.batch;
        let transaction = client.transaction().await?;
        let Some(row) = lock::whole(&transaction, id).await? else {
            return Err(Failure::Conflict(format!("batch {id} does not exist")));
        };
        let mut batch = record(&row)?;
        if batch.state != BatchState::Open || !get::<bool>(&row, "stays_open")? {
            let state = batch.state;
            return Err(Failure::Conflict(format!(
                "nothing is appended to batch {id}: it is {state}"
            )));
        }
        let appending = get::<Option<i64>>(&row, "append_ms")?.is_some();
        if !appending || batch.total != self.first {
            return Err(Failure::Conflict(format!(
                "the append to batch {id} at item {} has ended: it was silent for too long, or was ended before",
                self.first
            )));
        }
        if !self.keep {
            kept_open::drop_unkept(&transaction, id, self.now).await?;
            transaction.commit().await?;
            return Ok(batch.seen_at(self.now));
        }
        let before = Kept::of(&batch);
        let keep = transaction.prepare_cached(KEEP).await?;
        let row = transaction.query_one(&keep, &[&id.0, &self.now]).await?;
        batch.total = count(&row, "total")?;
        batch.skipped = count(&row, "skipped")?;
        batch.tally.version += 1;
        let change = Change::of_batch(before, batch, Vec::new(), None);
        writes::store(&transaction, std::slice::from_ref(&change), self.now).await?;
        transaction.commit().await?;
        Ok(change.record.seen_at(self.now))
    }
}

//! Makes an upload a batch that stays open.

use flotilla_core::batch::{Batch, BatchSpec};
use flotilla_core::{BatchId, BatchState, Result};
use jiff::Timestamp;

use super::specify::specify;
use crate::error::Failure;
use crate::lock;
use crate::rows::{count, get, record};
use crate::session::{Client, Operation};
use crate::writes::{self, Change, Kept};

const KEEP_OPEN: &str = "\
    UPDATE batches
    SET stays_open = true, appended = total, last_append_at = greatest(last_append_at, $2),
        skipped = coalesce((SELECT max(number) + 1 FROM batch_skipped WHERE batch_id = $1), 0)
    WHERE id = $1
    RETURNING skipped";

pub(super) struct KeepOpen {
    pub(super) batch: BatchId,
    pub(super) spec: BatchSpec,
    pub(super) now: Timestamp,
}

impl Operation for KeepOpen {
    type Output = Batch;
    const ATTEMPT: &'static str = "keep a batch open";

    async fn run(&self, client: &mut Client) -> Result<Batch, Failure> {
        let id = self.batch;
        let transaction = client.transaction().await?;
        let Some(row) = lock::whole(&transaction, id).await? else {
            return Err(Failure::Conflict(format!("batch {id} does not exist")));
        };
        let mut batch = record(&row)?;
        if batch.state != BatchState::Open {
            let state = batch.state;
            return Err(Failure::Conflict(format!(
                "batch {id} can't stay open: it is {state}"
            )));
        }
        // Said again, it changes nothing.
        if get(&row, "stays_open")? {
            return Ok(batch.seen_at(self.now));
        }
        specify(&transaction, id, &self.spec).await?;
        let keep_open = transaction.prepare_cached(KEEP_OPEN).await?;
        let row = transaction.query_one(&keep_open, &[&id.0, &self.now]).await?;
        batch.skipped = count(&row, "skipped")?;
        batch.spec = self.spec.clone();
        batch.tally.version += 1;
        let before = Kept::of(&batch);
        let change = Change::of_batch(before, batch, Vec::new(), None);
        writes::store(&transaction, std::slice::from_ref(&change), self.now).await?;
        transaction.commit().await?;
        Ok(change.record.seen_at(self.now))
    }
}

//! Ends an upload.

use deadpool_postgres::Transaction;
use flotilla_core::batch::{Batch, BatchSpec, Forbidden};
use flotilla_core::command::{Actor, Command};
use flotilla_core::record::BatchRecord;
use flotilla_core::{BatchId, Result};
use jiff::Timestamp;

use super::kept_open;
use super::specify::specify;
use crate::error::Failure;
use crate::lock;
use crate::rows::{count, get, record};
use crate::session::{Client, Operation};
use crate::writes::{self, Change, Kept};

const SEALED: &str = "\
    UPDATE batches
    SET sealed_at = $2, skipped = coalesce((SELECT max(number) + 1 FROM batch_skipped WHERE batch_id = $1), 0)
    WHERE id = $1
    RETURNING skipped";

pub(super) struct Seal {
    pub(super) batch: BatchId,
    pub(super) spec: BatchSpec,
    pub(super) now: Timestamp,
}

impl Operation for Seal {
    type Output = Batch;
    const ATTEMPT: &'static str = "seal a batch";

    async fn run(&self, client: &mut Client) -> Result<Batch, Failure> {
        let id = self.batch;
        let transaction = client.transaction().await?;
        let Some(row) = lock::whole(&transaction, id).await? else {
            return Err(Failure::Conflict(format!("batch {id} does not exist")));
        };
        let mut batch = record(&row)?;
        // Only once: what it is to do is not said a second time.
        batch.state.seal(batch.total).map_err(|why| self.refused(why))?;
        specify(&transaction, id, &self.spec).await?;
        batch.spec = self.spec.clone();
        let batch = self.close(&transaction, batch, get(&row, "stays_open")?).await?;
        transaction.commit().await?;
        Ok(batch)
    }
}

impl Seal {
    /// Ends the upload of `batch`, which is locked and says what it is to do.
    pub(super) async fn close(
        &self,
        transaction: &Transaction<'_>,
        mut batch: BatchRecord,
        stays_open: bool,
    ) -> Result<Batch, Failure> {
        if stays_open {
            kept_open::close(transaction, self.batch, self.now).await?;
        } else {
            let sealed = transaction.prepare_cached(SEALED).await?;
            let row = transaction
                .query_one(&sealed, &[&self.batch.0, &self.now])
                .await?;
            batch.skipped = count(&row, "skipped")?;
        }
        let before = Kept::of(&batch);
        let sealed = batch
            .command(&Command::Seal, &Actor::system(), self.now)
            .map_err(|why| self.refused(why))?;
        // Nobody did this to the batch: it is how it came to be. An empty one ends with it, as every other one does with
        // its last outcome.
        let events = sealed.events.into_iter().skip(1).collect();
        let change = Change::of_batch(before, batch, events, sealed.result);
        writes::store(transaction, std::slice::from_ref(&change), self.now).await?;
        Ok(change.record.seen_at(self.now))
    }

    fn refused(&self, why: Forbidden) -> Failure {
        Failure::Conflict(format!("batch {}: {why}", self.batch))
    }
}

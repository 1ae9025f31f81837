//! Ends an upload.

use deadpool_postgres::Transaction;
use flotilla_core::batch::{Batch, BatchSpec};
use flotilla_core::{BatchId, BatchState, Result};
use futures_util::future::try_join3;
use jiff::Timestamp;

use crate::error::Failure;
use crate::ledger::finalize;
use crate::rows::{StoredBatch, bigint, select_batches};
use crate::session::{Client, Operation};

const LOCK_COUNTERS: &str = "SELECT FROM batch_counters WHERE batch_id = $1 FOR NO KEY UPDATE";
const LOCK_BATCH: &str = "SELECT FROM batches WHERE id = $1 FOR NO KEY UPDATE";
const LOAD: &str = select_batches!("WHERE b.id = $1");

const SEAL: &str = "\
    UPDATE batches
    SET state = 'pending', sealed_at = $2, name = $3, job_type = $4, pool = $5, priority = $6, concurrency = $7,
        max_attempts = $8, timeout_ms = $9, metadata = $10, traceparent = $11
    WHERE id = $1 AND state = 'open'";

pub(super) struct Seal {
    pub(super) batch: BatchId,
    pub(super) spec: BatchSpec,
    pub(super) now: Timestamp,
}

impl Operation for Seal {
    type Output = Batch;
    const ATTEMPT: &'static str = "seal a batch";

    async fn run(&self, client: &mut Client) -> Result<Batch, Failure> {
        let transaction = client.transaction().await?;
        let mut batch = self.load(&transaction).await?;
        let sealed = batch
            .state
            .seal(batch.total)
            .map_err(|forbidden| Failure::Conflict(format!("batch {}: {forbidden}", self.batch)))?;
        self.store_spec(&transaction).await?;
        batch.spec = self.spec.clone();
        batch.state = BatchState::Pending;
        batch.tally.version += 1;
        finalize::save_tallies(&transaction, &[&batch]).await?;
        if sealed.is_final() {
            // An empty batch ends here as every other one does with its last outcome.
            finalize::finish(&transaction, &mut [&mut batch], self.now).await?;
        }
        transaction.commit().await?;
        Ok(batch.seen_at(self.now))
    }
}

impl Seal {
    /// Three statements in one flight: the server takes the locks before it reads.
    async fn load(&self, transaction: &Transaction<'_>) -> Result<StoredBatch, Failure> {
        let counters = transaction.prepare_cached(LOCK_COUNTERS).await?;
        let batches = transaction.prepare_cached(LOCK_BATCH).await?;
        let load = transaction.prepare_cached(LOAD).await?;
        let (_, _, row) = try_join3(
            transaction.execute(&counters, &[&self.batch.0]),
            transaction.execute(&batches, &[&self.batch.0]),
            transaction.query_opt(&load, &[&self.batch.0]),
        )
        .await?;
        match row {
            Some(row) => StoredBatch::read(&row),
            None => Err(Failure::Conflict(format!("batch {} does not exist", self.batch))),
        }
    }

    async fn store_spec(&self, transaction: &Transaction<'_>) -> Result<(), Failure> {
        let spec = &self.spec;
        let statement = transaction.prepare_cached(SEAL).await?;
        let rows = transaction
            .execute(
                &statement,
                &[
                    &self.batch.0,
                    &self.now,
                    &spec.name,
                    &spec.job_type,
                    &spec.pool.as_str(),
                    &spec.priority,
                    &spec.concurrency.map(i64::from),
                    &i32::from(spec.max_attempts),
                    &bigint(spec.timeout.as_millis()),
                    &spec.metadata.as_ref().map(flotilla_core::Json::as_str),
                    &spec.traceparent,
                ],
            )
            .await?;
        if rows == 1 { Ok(()) } else { Err(Failure::Raced) }
    }
}

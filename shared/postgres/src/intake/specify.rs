//! Writes what an open batch is to do.

use deadpool_postgres::Transaction;
use flotilla_core::batch::BatchSpec;
use flotilla_core::{BatchId, Json};

use crate::error::Failure;
use crate::rows::{bigint, options, start_columns, storable_time};

const SPECIFY: &str = "\
    UPDATE batches
    SET name = $2, job_type = $3, pool = $4, priority = $5, concurrency = $6, rate_per_s = $7, start_mode = $8,
        start_at = $9, max_attempts = $10, timeout_ms = $11, deadline = $12, canary = $13, guarded = $14, options = $15,
        metadata = $16, traceparent = $17
    WHERE id = $1 AND state = 'open'";

/// Writes `spec`. The caller has locked the batch.
pub(super) async fn specify(
    transaction: &Transaction<'_>,
    batch: BatchId,
    spec: &BatchSpec,
) -> Result<(), Failure> {
    let statement = transaction.prepare_cached(SPECIFY).await?;
    let (start_mode, start_at) = start_columns(spec.start);
    let rows = transaction
        .execute(
            &statement,
            &[
                &batch.0,
                &spec.name,
                &spec.job_type,
                &spec.pool.as_str(),
                &spec.priority,
                &spec.concurrency.map(i64::from),
                &spec.rate_per_s,
                &start_mode,
                &start_at,
                &i32::from(spec.max_attempts),
                &bigint(spec.timeout.as_millis()),
                &spec.deadline.map(storable_time),
                &spec.canary.map(i64::from),
                &(spec.failure_threshold.is_some() || spec.canary.is_some()),
                &options(spec)?,
                &spec.metadata.as_ref().map(Json::as_str),
                &spec.traceparent,
            ],
        )
        .await?;
    if rows == 1 { Ok(()) } else { Err(Failure::Raced) }
}

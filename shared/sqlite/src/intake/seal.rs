//! The end of an upload.

use std::time::Duration;

use flotilla_core::batch::{Batch, BatchSpec};
use flotilla_core::ids::BatchId;
use jiff::Timestamp;
use rusqlite::{Connection, named_params};

use crate::error::Done;
use crate::keys::Micros;
use crate::rows::BatchRow;

/// Says what an open batch is to do. An empty one is done with that.
pub(super) fn seal(db: &Connection, id: BatchId, spec: BatchSpec, now: Timestamp) -> Done<Batch> {
    let mut batch = super::existing(db, id)?;
    batch.state = batch.state.seal(batch.total)?;
    batch.spec = spec;
    batch.tally.version += 1;
    save(db, &batch, now)?;
    batch.save_tally(db)?;
    if batch.state.is_final() {
        let end = batch.state;
        batch.end(db, end, now)?;
    }
    Ok(batch.into_batch(now))
}

fn save(db: &Connection, batch: &BatchRow, now: Timestamp) -> Done<()> {
    let sql = "
        UPDATE batches
        SET state = :state, sealed_at = :sealed_at, name = :name, job_type = :job_type, pool = :pool,
            priority = :priority, concurrency = :concurrency, max_attempts = :max_attempts, timeout_ms = :timeout_ms,
            metadata = :metadata, traceparent = :traceparent
        WHERE number = :number";
    let spec = &batch.spec;
    db.prepare_cached(sql)?.execute(named_params! {
        ":number": batch.number,
        ":state": batch.state.as_str(),
        ":sealed_at": Micros(now),
        ":name": spec.name,
        ":job_type": spec.job_type,
        ":pool": spec.pool.as_str(),
        ":priority": spec.priority,
        ":concurrency": spec.concurrency,
        ":max_attempts": spec.max_attempts,
        ":timeout_ms": millis(spec.timeout),
        ":metadata": spec.metadata.as_ref().map(|json| json.as_str()),
        ":traceparent": spec.traceparent,
    })?;
    Ok(())
}

/// A time limit as it is stored.
pub(super) fn millis(timeout: Duration) -> i64 {
    i64::try_from(timeout.as_millis()).unwrap_or(i64::MAX)
}

//! The row of a dead letter.

use flotilla_core::outcome::{Ending, Outcome};
use flotilla_core::record::BatchRecord;
use jiff::Timestamp;
use rusqlite::{Connection, params};

use crate::error::Done;
use crate::keys::{Id, Micros};

/// Keeps one of the item at `key`, where it failed.
pub(crate) fn insert(
    db: &Connection,
    batch: &BatchRecord,
    key: i64,
    outcome: &Outcome,
    now: Timestamp,
) -> Done<()> {
    let Ending::Failed(error) = &outcome.ending else {
        return Ok(());
    };
    let sql = "
        INSERT OR REPLACE INTO dead_letters
            (key, id, space, job_type, fingerprint, error_kind, error_message, attempts, worker, started_at, dead_at)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)";
    db.prepare_cached(sql)?.execute(params![
        key,
        Id(batch.id),
        batch.space.as_str(),
        batch.spec.job_type,
        error.fingerprint(),
        error.kind.as_str(),
        error.message,
        outcome.attempt,
        outcome.worker.as_ref().map(|worker| &*worker.0),
        Micros(outcome.started_at),
        Micros(now),
    ])?;
    Ok(())
}

/// The item at `key` runs again.
pub(crate) fn forget(db: &Connection, key: i64) -> Done<()> {
    db.prepare_cached("DELETE FROM dead_letters WHERE key = ?1")?
        .execute([key])?;
    Ok(())
}

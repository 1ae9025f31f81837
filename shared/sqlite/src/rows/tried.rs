//! Attempts that failed and were followed by another.

use flotilla_core::attempt::Tried;
use flotilla_core::ids::WorkerId;
use flotilla_core::outcome::ItemError;
use rusqlite::{Connection, Row};

use super::item::Kind;
use crate::error::Done;
use crate::keys::{Micros, index_of, signed, unsigned};

/// Writes one, unless it is there.
pub(crate) fn insert(db: &Connection, key: i64, tried: &Tried) -> Done<()> {
    let sql = "
        INSERT OR IGNORE INTO item_attempts
            (key, attempt, error_kind, error_message, started_at, duration_us, worker)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
    db.prepare_cached(sql)?.execute((
        key,
        tried.attempt,
        tried.error.kind.as_str(),
        &tried.error.message,
        Micros(tried.started_at),
        signed(tried.duration_us),
        tried.worker.as_ref().map(|worker| &*worker.0),
    ))?;
    Ok(())
}

/// Keeps the failed outcome of the item at `key` as an attempt that was followed by another.
pub(crate) fn keep_failure(db: &Connection, key: i64) -> Done<()> {
    let sql = "
        INSERT OR IGNORE INTO item_attempts
            (key, attempt, error_kind, error_message, started_at, duration_us, worker)
        SELECT key, attempt, error_kind, error_message, started_at, duration_us, worker
        FROM batch_outcomes WHERE key = ?1 AND state = 'failed'";
    db.prepare_cached(sql)?.execute([key])?;
    Ok(())
}

/// All of the item at `key`, oldest first.
pub(crate) fn of(db: &Connection, key: i64) -> Done<Vec<Tried>> {
    let sql = "SELECT * FROM item_attempts WHERE key = ?1 ORDER BY attempt";
    let mut statement = db.prepare_cached(sql)?;
    let all = statement.query_map([key], read)?;
    Ok(all.collect::<Result<_, _>>()?)
}

fn read(row: &Row<'_>) -> rusqlite::Result<Tried> {
    let Kind(kind) = row.get("error_kind")?;
    let worker: Option<String> = row.get("worker")?;
    Ok(Tried {
        index: index_of(row.get("key")?),
        attempt: row.get("attempt")?,
        error: ItemError {
            kind,
            message: row.get("error_message")?,
        },
        started_at: row.get::<_, Micros>("started_at")?.0,
        duration_us: unsigned(row.get("duration_us")?),
        worker: worker.map(|worker| WorkerId(worker.into())),
    })
}

//! Removing a batch, some rows at a time.

use flotilla_core::ids::BatchId;
use rusqlite::{Connection, OptionalExtension};

use crate::error::Done;
use crate::keys::{Id, Number};

/// The tables with rows of items.
const TABLES: [&str; 7] = [
    "batch_outcomes",
    "item_attempts",
    "item_retries",
    "item_leases",
    "dead_letters",
    "batch_skipped",
    "batch_items",
];

/// Removes about `limit` rows. True once nothing is left. What is not to be removed stays.
pub(super) fn purge(db: &Connection, id: BatchId, limit: u32) -> Done<bool> {
    let sql = "
        SELECT number, deleted_at IS NOT NULL AND state IN ('completed', 'failed', 'cancelled')
        FROM batches WHERE id = ?1";
    let found: Option<(Number, bool)> = db
        .prepare_cached(sql)?
        .query_row([Id(id)], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let Some((number, to_be_removed)) = found else {
        return Ok(true);
    };
    if !to_be_removed {
        return Ok(false);
    }
    let mut left = limit.max(1) as usize;
    for table in TABLES {
        left = left.saturating_sub(remove(db, table, number, left)?);
        if left == 0 {
            return Ok(false);
        }
    }
    left = left.saturating_sub(remove_names(db, number, left)?);
    if left == 0 {
        return Ok(false);
    }
    // With its counters, results, claims and history.
    db.prepare_cached("DELETE FROM batches WHERE number = ?1")?
        .execute([number])?;
    Ok(true)
}

fn remove_names(db: &Connection, number: Number, limit: usize) -> Done<usize> {
    let sql = "
        DELETE FROM item_names WHERE batch = ?1
        AND custom_id IN (SELECT custom_id FROM item_names WHERE batch = ?1 LIMIT ?2)";
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    Ok(db.prepare_cached(sql)?.execute((number, limit))?)
}

fn remove(db: &Connection, table: &str, number: Number, limit: usize) -> Done<usize> {
    let sql = format!(
        "DELETE FROM {table} WHERE key IN (SELECT key FROM {table} WHERE key >= ?1 AND key < ?2 LIMIT ?3)"
    );
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let gone = db
        .prepare_cached(&sql)?
        .execute((number.key(0), number.end(), limit))?;
    Ok(gone)
}

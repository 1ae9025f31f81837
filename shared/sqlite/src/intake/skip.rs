//! What is sent with a batch and skipped.

use flotilla_core::batch::BatchState;
use flotilla_core::ids::BatchId;
use flotilla_core::skipped::SkippedItem;
use rusqlite::{Connection, OptionalExtension};

use crate::error::{Done, Failure};
use crate::keys::{Number, index_of};

/// Keeps it under the numbers from `first` on.
pub(super) fn skip(db: &Connection, id: BatchId, first: u32, skipped: &[SkippedItem]) -> Done<()> {
    let batch = super::existing(db, id)?;
    let state = batch.record.state;
    if state != BatchState::Open {
        return Err(Failure::Conflict(format!("the batch is {state}, not open")));
    }
    insert(db, batch.number, first, skipped)
}

/// Writes rows, in place of what an append left that never ended.
pub(super) fn insert(db: &Connection, number: Number, first: u32, skipped: &[SkippedItem]) -> Done<()> {
    let sql = "
        INSERT OR REPLACE INTO batch_skipped (key, position, line, reason, detail, pointer, input)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
    let mut statement = db.prepare_cached(sql)?;
    for (place, item) in (first..).zip(skipped) {
        statement.execute((
            number.key(place),
            item.position,
            item.line,
            item.reason.as_str(),
            &item.detail,
            &item.pointer,
            &item.input,
        ))?;
    }
    Ok(())
}

/// Removes rows from `first` on.
pub(super) fn drop_from(db: &Connection, number: Number, first: u32) -> Done<()> {
    let sql = "DELETE FROM batch_skipped WHERE key >= ?1 AND key < ?2";
    db.prepare_cached(sql)?
        .execute((number.key(first), number.end()))?;
    Ok(())
}

/// How many rows there are.
pub(super) fn count(db: &Connection, number: Number) -> Done<u32> {
    let sql = "SELECT key FROM batch_skipped WHERE key >= ?1 AND key < ?2 ORDER BY key DESC LIMIT 1";
    let last: Option<i64> = db
        .prepare_cached(sql)?
        .query_row((number.key(0), number.end()), |row| row.get(0))
        .optional()?;
    Ok(last.map_or(0, |key| index_of(key) + 1))
}

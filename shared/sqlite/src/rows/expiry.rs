//! The rows that say what is to be removed of an ended batch.

use flotilla_core::record::BatchRecord;
use rusqlite::Connection;

use crate::error::Done;
use crate::keys::{Micros, Number};

/// Writes what is to be removed of a batch that ends.
pub(crate) fn insert(db: &Connection, batch: Number, record: &BatchRecord) -> Done<()> {
    let sql = "INSERT OR REPLACE INTO batch_expiries (batch, part, due_at) VALUES (?1, ?2, ?3)";
    for (part, due_at) in record.expiries() {
        db.prepare_cached(sql)?
            .execute((batch, part.as_str(), Micros(due_at)))?;
    }
    Ok(())
}

/// Forgets it where nothing is to be removed (any more): the batch runs again, or was deleted.
pub(super) fn keep(db: &Connection, batch: Number, record: &BatchRecord) -> Done<()> {
    if !record.spec.retention.is_empty() && record.expiries().next().is_none() {
        db.prepare_cached("DELETE FROM batch_expiries WHERE batch = ?1")?
            .execute([batch])?;
    }
    Ok(())
}

//! Batches that are being cancelled.

use flotilla_core::ids::BatchId;
use rusqlite::Connection;

use crate::error::Done;
use crate::keys::Id;

/// The oldest of them.
pub(super) fn list(db: &Connection, limit: u32) -> Done<Vec<BatchId>> {
    let sql = "SELECT id FROM batches WHERE state = 'cancelling' ORDER BY id LIMIT ?1";
    let mut statement = db.prepare_cached(sql)?;
    let ids = statement.query_map([limit], |row| row.get::<_, Id>(0))?;
    Ok(ids.map(|id| id.map(|Id(id)| id)).collect::<Result<_, _>>()?)
}

//! Open batches that nobody touched for a while.

use flotilla_core::ids::BatchId;
use jiff::Timestamp;
use rusqlite::Connection;

use crate::error::Done;
use crate::keys::{Id, Micros};

/// Those that stay open, or those that are still uploaded.
pub(super) fn open(
    db: &Connection,
    stays_open: bool,
    idle_since: Timestamp,
    limit: u32,
) -> Done<Vec<BatchId>> {
    let sql = "
        SELECT id FROM batches WHERE state = 'open' AND last_append_at < ?1 AND stays_open = ?2
        ORDER BY last_append_at LIMIT ?3";
    let mut statement = db.prepare_cached(sql)?;
    let ids = statement.query_map((Micros(idle_since), stays_open, limit), |row| row.get::<_, Id>(0))?;
    Ok(ids.map(|id| id.map(|Id(id)| id)).collect::<Result<_, _>>()?)
}

//! Batches that ended long ago.

use flotilla_core::ids::{BatchId, Space};
use jiff::Timestamp;
use rusqlite::Connection;

use super::named;
use crate::error::Done;
use crate::keys::Micros;

/// Those that ended before `before`, oldest first.
pub(super) fn list(db: &Connection, before: Timestamp, limit: u32) -> Done<Vec<(Space, BatchId)>> {
    let sql = "
        SELECT space, id FROM batches
        WHERE completed_at < ?1 AND expires_at IS NULL AND state IN ('completed', 'failed', 'cancelled') AND deleted_at IS NULL
        ORDER BY completed_at, id LIMIT ?2";
    let mut statement = db.prepare_cached(sql)?;
    let found = statement.query_map((Micros(before), limit), named)?;
    Ok(found.collect::<Result<_, _>>()?)
}

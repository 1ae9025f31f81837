//! Batches that are to be removed.

use flotilla_core::ids::{BatchId, Space};
use rusqlite::Connection;

use super::named;
use crate::error::Done;

/// Those that have ended, in the order in which they were deleted.
pub(super) fn list(db: &Connection, limit: u32) -> Done<Vec<(Space, BatchId)>> {
    let sql = "
        SELECT space, id FROM batches
        WHERE deleted_at IS NOT NULL AND state IN ('completed', 'failed', 'cancelled')
        ORDER BY deleted_at LIMIT ?1";
    let mut statement = db.prepare_cached(sql)?;
    let found = statement.query_map([limit], named)?;
    Ok(found.collect::<Result<_, _>>()?)
}

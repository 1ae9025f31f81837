//! Batches whose time is over.

use flotilla_core::ids::{BatchId, Space};
use jiff::Timestamp;
use rusqlite::Connection;

use super::named;
use crate::error::Done;
use crate::keys::Micros;

/// Those whose deadline passed first.
pub(super) fn list(db: &Connection, limit: u32, now: Timestamp) -> Done<Vec<(Space, BatchId)>> {
    let sql = "
        SELECT space, id FROM batches
        WHERE deadline <= ?1 AND state IN ('open', 'pending', 'processing', 'paused')
        ORDER BY deadline LIMIT ?2";
    let mut statement = db.prepare_cached(sql)?;
    let found = statement.query_map((Micros(now), limit), named)?;
    Ok(found.collect::<Result<_, _>>()?)
}

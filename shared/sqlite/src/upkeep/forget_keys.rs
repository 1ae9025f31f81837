//! Forgets keys whose time is over.

use jiff::Timestamp;
use rusqlite::Connection;

use crate::error::Done;
use crate::keys::Micros;

/// True where there are any.
pub(super) fn any(db: &Connection, now: Timestamp) -> Done<bool> {
    let sql = "SELECT EXISTS (SELECT 1 FROM item_keys WHERE until <= ?1)";
    Ok(db
        .prepare_cached(sql)?
        .query_one([Micros(now)], |row| row.get(0))?)
}

/// Forgets at most `limit`.
pub(super) fn forget(db: &Connection, limit: u32, now: Timestamp) -> Done<u32> {
    let sql = "
        DELETE FROM item_keys WHERE (space, key) IN
            (SELECT space, key FROM item_keys WHERE until <= ?1 ORDER BY until LIMIT ?2)";
    let gone = db.prepare_cached(sql)?.execute((Micros(now), limit))?;
    Ok(u32::try_from(gone).unwrap_or(u32::MAX))
}

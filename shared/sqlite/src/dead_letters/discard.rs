//! Forgetting dead letters.

use flotilla_core::dead_letter::DeadFilter;
use flotilla_core::ids::Space;
use rusqlite::Connection;

use super::filter::{Filter, ORDER};
use crate::error::Done;

/// At most `limit` of them.
pub(super) fn discard(db: &Connection, space: &Space, filter: &DeadFilter, limit: u32) -> Done<u32> {
    let Some(filter) = Filter::new(db, space, filter)? else {
        return Ok(0);
    };
    let sql = format!(
        "DELETE FROM dead_letters WHERE key IN (SELECT d.key {} {ORDER} LIMIT :limit)",
        filter.from
    );
    let gone = db
        .prepare_cached(&sql)?
        .execute(&*filter.values(":limit", &limit))?;
    Ok(u32::try_from(gone).unwrap_or(u32::MAX))
}

//! What dead letters are of.

use flotilla_core::dead_letter::DeadFilter;
use flotilla_core::ids::{BatchId, Space};
use rusqlite::Connection;

use super::filter::Filter;
use crate::error::Done;
use crate::keys::Id;

/// The newest batches, and how many dead letters each has.
pub(super) fn newest(
    db: &Connection,
    space: &Space,
    filter: &DeadFilter,
    limit: u32,
) -> Done<Vec<(BatchId, u32)>> {
    let Some(filter) = Filter::new(db, space, filter)? else {
        return Ok(Vec::new());
    };
    let sql = format!(
        "SELECT d.id, count(*) {} GROUP BY d.id ORDER BY d.id DESC LIMIT :limit",
        filter.from
    );
    let mut statement = db.prepare_cached(&sql)?;
    let batches = statement.query_map(&*filter.values(":limit", &limit), |row| {
        Ok((row.get::<_, Id>(0)?.0, row.get(1)?))
    })?;
    Ok(batches.collect::<Result<_, _>>()?)
}

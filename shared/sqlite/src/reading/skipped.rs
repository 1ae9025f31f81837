//! What was sent with a batch and skipped.

use flotilla_core::ids::{BatchId, Space};
use flotilla_core::skipped::SkippedItem;
use rusqlite::{Connection, OptionalExtension};

use crate::error::Done;
use crate::keys::{Id, Number, index_of};
use crate::rows::Text;

/// From the first after `after` on. Rows that an append has not kept yet are not part of the batch.
pub(super) fn of(
    db: &Connection,
    space: &Space,
    id: BatchId,
    after: Option<u32>,
    limit: u32,
) -> Done<Vec<(u32, SkippedItem)>> {
    let sql = "SELECT number, skipped FROM batches WHERE id = ?1 AND space = ?2 AND deleted_at IS NULL";
    let found: Option<(Number, u32)> = db
        .prepare_cached(sql)?
        .query_row((Id(id), space.as_str()), |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let Some((number, count)) = found else {
        return Ok(Vec::new());
    };
    let from = after.map_or(0, |after| after.saturating_add(1));
    let sql = "
        SELECT key, position, line, reason, detail, pointer, input
        FROM batch_skipped WHERE key >= ?1 AND key < ?2 ORDER BY key LIMIT ?3";
    let mut statement = db.prepare_cached(sql)?;
    let rows = statement.query_map((number.key(from), number.key(count.max(from)), limit), |row| {
        let item = SkippedItem {
            position: row.get(1)?,
            line: row.get(2)?,
            reason: row.get::<_, Text<_>>(3)?.0,
            detail: row.get(4)?,
            pointer: row.get(5)?,
            input: row.get(6)?,
        };
        Ok((index_of(row.get(0)?), item))
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

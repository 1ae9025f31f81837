//! What ended batches amount to.

use flotilla_core::ids::{BatchId, Space};
use flotilla_core::result::BatchResult;
use rusqlite::{Connection, OptionalExtension};

use crate::error::Done;
use crate::keys::Id;

/// This revision of a result, or the latest.
pub(super) fn one(
    db: &Connection,
    space: &Space,
    id: BatchId,
    revision: Option<u32>,
) -> Done<Option<BatchResult>> {
    let sql = "
        SELECT result FROM batch_results JOIN batches ON batches.number = batch_results.batch
        WHERE space = ?1 AND id = ?2 AND deleted_at IS NULL
          AND batch_results.revision = coalesce(?3, batch_results.revision)
        ORDER BY batch_results.revision DESC LIMIT 1";
    let json: Option<String> = db
        .prepare_cached(sql)?
        .query_row((space.as_str(), Id(id), revision), |row| row.get(0))
        .optional()?;
    Ok(json.map(|json| serde_json::from_str(&json)).transpose()?)
}

//! Recounts a batch.

use flotilla_core::audit::{Audit, Rows};
use flotilla_core::batch::BatchState;
use flotilla_core::ids::{BatchId, Space};
use rusqlite::{Connection, Row, named_params};

use super::results;
use crate::error::Done;
use crate::keys::database_now;
use crate::rows::BatchRow;

/// Every count is over the keys of the batch.
const COUNT: &str = "
    WITH outcomes AS (
        SELECT count(*) FILTER (WHERE state = 'succeeded') AS succeeded,
               count(*) FILTER (WHERE state = 'failed') AS failed,
               count(*) FILTER (WHERE state = 'cancelled') AS cancelled,
               count(*) FILTER (WHERE key >= :total) AS strays
        FROM batch_outcomes WHERE key >= :first AND key < :end
    ), retries AS (
        SELECT count(*) FILTER (WHERE r.due_at IS NOT NULL AND r.kind = 'retrying') AS retrying,
               count(*) FILTER (WHERE r.due_at IS NOT NULL AND r.kind = 'returned') AS returned,
               count(o.key) AS torn, coalesce(sum(r.resends), 0) AS resent
        FROM item_retries AS r LEFT JOIN batch_outcomes AS o ON o.key = r.key
        WHERE r.key >= :first AND r.key < :end
    ), leases AS (
        SELECT count(*) FILTER (WHERE l.kind = 'waiting') AS waiting, count(*) FILTER (WHERE l.kind = 'leased') AS leased,
               count(o.key) AS torn
        FROM item_leases AS l LEFT JOIN batch_outcomes AS o ON o.key = l.key
        WHERE l.key >= :first AND l.key < :end
    ), dead AS (
        SELECT count(*) AS dead_letters, count(*) FILTER (WHERE o.state IS NOT 'failed') AS stray_dead_letters
        FROM dead_letters AS d LEFT JOIN batch_outcomes AS o ON o.key = d.key
        WHERE d.key >= :first AND d.key < :end
    )
    SELECT (SELECT count(*) FROM batch_items WHERE key >= :first AND key < :items_end) AS items,
           succeeded, failed, cancelled, strays, retrying, returned, waiting, leased,
           retries.torn + leases.torn AS torn, dead_letters, stray_dead_letters, resent,
           (SELECT count(*) FROM batch_results WHERE batch = :batch) AS results
    FROM outcomes, retries, leases, dead";

/// Its rows, its counters and its result, as one reader sees them.
pub(super) fn of(db: &Connection, space: &Space, id: BatchId) -> Done<Option<Audit>> {
    let Some(batch) = BatchRow::load(db, id)?.filter(|batch| batch.is_seen_by(space)) else {
        return Ok(None);
    };
    let (number, dispatched) = (batch.number, batch.record.next_index);
    let total = number.key(batch.record.total);
    // Somebody may be appending to it.
    let items_end = if batch.record.state == BatchState::Open {
        total
    } else {
        number.end()
    };
    let rows = db.prepare_cached(COUNT)?.query_one(
        named_params! {
            ":batch": number,
            ":first": number.key(0),
            ":end": number.end(),
            ":total": total,
            ":items_end": items_end,
        },
        |row| counted(row, dispatched),
    )?;
    let result = results::one(db, space, id, None)?;
    Ok(Some(Audit {
        batch: batch.into_batch(database_now(db)?),
        rows,
        result,
    }))
}

fn counted(row: &Row<'_>, dispatched: u32) -> rusqlite::Result<Rows> {
    Ok(Rows {
        items: row.get("items")?,
        dispatched,
        retrying: row.get("retrying")?,
        returned: row.get("returned")?,
        waiting: row.get("waiting")?,
        leased: row.get("leased")?,
        succeeded: row.get("succeeded")?,
        failed: row.get("failed")?,
        cancelled: row.get("cancelled")?,
        strays: row.get("strays")?,
        torn: row.get("torn")?,
        dead_letters: row.get("dead_letters")?,
        stray_dead_letters: row.get("stray_dead_letters")?,
        resent: row.get("resent")?,
        results: row.get("results")?,
    })
}

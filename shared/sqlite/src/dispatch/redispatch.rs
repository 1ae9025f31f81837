//! Repairing what a broker lost.

use flotilla_core::ids::BatchId;
use jiff::Timestamp;
use rusqlite::{Connection, named_params};

use crate::error::Done;
use crate::keys::Micros;
use crate::rows::BatchRow;

/// Makes the items that nobody accounts for due again.
pub(super) fn redispatch(db: &Connection, id: BatchId, now: Timestamp) -> Done<u32> {
    let Some(mut batch) = BatchRow::load(db, id)? else {
        return Ok(0);
    };
    // Most calls end here, without a look at the items.
    if batch.tally.in_flight(batch.next_index) == 0 {
        return Ok(0);
    }
    let lost = make_due(db, &batch, now)?;
    if lost > 0 {
        batch.tally.retrying += lost;
        batch.tally.version += 1;
        batch.save_dispatch(db)?;
    }
    Ok(lost)
}

/// Dispatched, without an outcome, not under a claim; those that wait already are left as they are.
fn make_due(db: &Connection, batch: &BatchRow, now: Timestamp) -> Done<u32> {
    let sql = "
        INSERT INTO item_retries (key, batch, attempt, due_at)
        SELECT i.key, :batch, 1, :now
        FROM batch_items AS i
        WHERE i.key >= :first AND i.key < :next
          AND NOT EXISTS (SELECT 1 FROM batch_outcomes AS o WHERE o.key = i.key)
          AND NOT EXISTS (
              SELECT 1 FROM dispatch_claims AS c
              WHERE c.batch = :batch AND i.key >= c.first_key AND i.key < c.end_key)
          AND i.key NOT IN (
              SELECT held.value FROM dispatch_claims AS c, json_each(c.again) AS held
              WHERE c.batch = :batch)
        ON CONFLICT (key) DO UPDATE SET due_at = excluded.due_at WHERE due_at IS NULL";
    let made = db.prepare_cached(sql)?.execute(named_params! {
        ":batch": batch.number,
        ":now": Micros(now),
        ":first": batch.number.key(0),
        ":next": batch.number.key(batch.next_index),
    })?;
    Ok(u32::try_from(made).unwrap_or(u32::MAX))
}

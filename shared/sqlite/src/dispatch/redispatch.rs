//! Items that nobody accounts for.

use flotilla_core::ids::BatchId;
use jiff::Timestamp;
use rusqlite::{Connection, named_params};

use crate::error::Done;
use crate::keys::Micros;
use crate::rows::BatchRow;

/// Of the items of a batch that were dispatched and have no outcome: those that no publisher holds, and neither a worker
/// nor anything else has a lease on.
const LOST: &str = "
    AND NOT EXISTS (
        SELECT 1 FROM dispatch_claims AS c
        WHERE c.batch = :batch AND i.key >= c.first_key AND i.key < c.end_key)
    AND i.key NOT IN (
        SELECT held.value FROM dispatch_claims AS c, json_each(c.again) AS held
        WHERE c.batch = :batch)
    AND NOT EXISTS (SELECT 1 FROM item_leases AS l WHERE l.key = i.key)";

/// Repairs what a broker lost: returns the items that nobody accounts for.
pub(super) fn redispatch(db: &Connection, id: BatchId, now: Timestamp) -> Done<u32> {
    let Some(mut batch) = BatchRow::load(db, id)? else {
        return Ok(0);
    };
    let lost = return_items(db, &mut batch, LOST, now)?;
    if lost > 0 {
        batch.record.tally.version += 1;
        batch.save_dispatch(db)?;
    }
    Ok(lost)
}

/// Returns every item that is in flight, whoever has it. The caller saves the counters.
pub(crate) fn return_all(db: &Connection, batch: &mut BatchRow, now: Timestamp) -> Done<u32> {
    let sql = "DELETE FROM item_leases WHERE key >= ?1 AND key < ?2 AND kind = 'leased'";
    db.prepare_cached(sql)?
        .execute((batch.number.key(0), batch.number.end()))?;
    let in_flight = "AND NOT EXISTS (SELECT 1 FROM item_leases AS l WHERE l.key = i.key)";
    return_items(db, batch, in_flight, now)
}

/// Those that wait already are left as they are.
fn return_items(db: &Connection, batch: &mut BatchRow, which: &str, now: Timestamp) -> Done<u32> {
    let record = &mut batch.record;
    // Most calls end here, without a look at the items.
    if record.tally.in_flight(record.next_index) == 0 {
        return Ok(0);
    }
    let sql = format!(
        "INSERT INTO item_retries (key, batch, attempt, last_attempt, losses, kind, due_at)
         SELECT i.key, :batch, 1, :last_attempt, 0, 'returned', :now
         FROM batch_items AS i
         WHERE i.key >= :first AND i.key < :next
           AND NOT EXISTS (SELECT 1 FROM batch_outcomes AS o WHERE o.key = i.key) {which}
         ON CONFLICT (key) DO UPDATE SET due_at = excluded.due_at, kind = excluded.kind WHERE due_at IS NULL"
    );
    let returned = db.prepare_cached(&sql)?.execute(named_params! {
        ":batch": batch.number,
        ":last_attempt": record.spec.max_attempts,
        ":now": Micros(now),
        ":first": batch.number.key(0),
        ":next": batch.number.key(record.next_index),
    })?;
    let returned = u32::try_from(returned).unwrap_or(u32::MAX);
    record.tally.returned += returned;
    Ok(returned)
}

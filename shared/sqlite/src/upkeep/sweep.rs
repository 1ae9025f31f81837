//! Cancelling the items of a batch that is being cancelled.

use flotilla_core::batch::{Batch, BatchState};
use flotilla_core::ids::BatchId;
use flotilla_core::place::Whereabouts;
use jiff::Timestamp;
use rusqlite::{Connection, Row};

use crate::dispatch::return_all;
use crate::error::Done;
use crate::keys::Micros;
use crate::rows::{BatchRow, lease, read_retry, retry};

/// Where items were that were cancelled, and the attempts that they had.
type Swept = Vec<(Whereabouts, u16)>;

/// Cancels at most `limit` items: first those that are not in flight. Once there are none, and the batch was halted before
/// `grace_since`, those in flight come back whether they like it or not, and are no longer.
pub(super) fn sweep(
    db: &Connection,
    id: BatchId,
    limit: u32,
    grace_since: Timestamp,
    now: Timestamp,
) -> Done<Option<(Batch, u32)>> {
    let found = BatchRow::load(db, id)?;
    let Some(mut batch) = found.filter(|batch| batch.record.state == BatchState::Cancelling) else {
        return Ok(None);
    };
    let limit = limit.max(1) as usize;
    let mut swept = Swept::new();
    cancel_due(db, &batch, limit, &mut swept, now)?;
    cancel_waiting(db, &batch, limit, &mut swept, now)?;
    cancel_pending(db, &batch, limit, &mut swept, now)?;
    let late = batch.record.halted_at.is_none_or(|halted| halted < grace_since);
    if swept.len() < limit && late && return_all(db, &mut batch, now)? > 0 {
        cancel_due(db, &batch, limit, &mut swept, now)?;
    }
    let items = u32::try_from(swept.len()).unwrap_or(u32::MAX);
    let writes = batch.record.sweep(swept, now);
    if writes.changed {
        batch.save_tally(db)?;
        batch.save_dispatch(db)?;
        batch.save_turn(db, &writes.events, writes.result.as_ref())?;
    }
    Ok(Some((batch.into_batch(now), items)))
}

fn cancel_due(
    db: &Connection,
    batch: &BatchRow,
    limit: usize,
    swept: &mut Swept,
    now: Timestamp,
) -> Done<()> {
    let sql = "
        SELECT key, attempt, last_attempt, losses, kind, due_at FROM item_retries
        WHERE key >= ?1 AND key < ?2 AND due_at IS NOT NULL ORDER BY key LIMIT ?3";
    let read = |row: &Row<'_>| Ok((row.get("key")?, read_retry(row)?));
    let mut statement = db.prepare_cached(sql)?;
    let due = statement.query_map(rest(batch, limit, swept), read)?;
    let due: Vec<_> = due.collect::<Result<_, _>>()?;
    for (key, place) in due {
        cancel(db, key, place.attempts(), now)?;
        retry::forget(db, key)?;
        swept.push((place.at, place.attempts()));
    }
    Ok(())
}

fn cancel_waiting(
    db: &Connection,
    batch: &BatchRow,
    limit: usize,
    swept: &mut Swept,
    now: Timestamp,
) -> Done<()> {
    let sql = "
        SELECT key, attempt FROM item_leases
        WHERE key >= ?1 AND key < ?2 AND kind = 'waiting' ORDER BY key LIMIT ?3";
    let mut statement = db.prepare_cached(sql)?;
    let waiting = statement.query_map(rest(batch, limit, swept), |row| {
        Ok((row.get("key")?, row.get("attempt")?))
    })?;
    let waiting: Vec<(i64, u16)> = waiting.collect::<Result<_, _>>()?;
    for (key, attempt) in waiting {
        cancel(db, key, attempt, now)?;
        lease::end(db, key)?;
        retry::forget(db, key)?;
        swept.push((Whereabouts::Waiting, attempt));
    }
    Ok(())
}

/// The next ones that would have been dispatched.
fn cancel_pending(
    db: &Connection,
    batch: &BatchRow,
    limit: usize,
    swept: &mut Swept,
    now: Timestamp,
) -> Done<()> {
    let record = &batch.record;
    let left = u32::try_from(limit.saturating_sub(swept.len())).unwrap_or(u32::MAX);
    let items = left.min(record.total - record.next_index);
    let end = record.next_index + items;
    let sql = "
        INSERT INTO batch_outcomes (key, state, attempt, started_at, duration_us, recorded_at)
        SELECT key, 'cancelled', 0, ?3, 0, ?3 FROM batch_items WHERE key >= ?1 AND key < ?2";
    let (first, end) = (batch.number.key(record.next_index), batch.number.key(end));
    db.prepare_cached(sql)?.execute((first, end, Micros(now)))?;
    swept.extend((0..items).map(|_| (Whereabouts::Pending, 0)));
    Ok(())
}

/// The range of the batch's keys, and how many may still be cancelled.
fn rest(batch: &BatchRow, limit: usize, swept: &Swept) -> (i64, i64, i64) {
    let left = limit.saturating_sub(swept.len());
    let left = i64::try_from(left).unwrap_or(i64::MAX);
    (batch.number.key(0), batch.number.end(), left)
}

fn cancel(db: &Connection, key: i64, attempt: u16, now: Timestamp) -> Done<()> {
    let sql = "
        INSERT INTO batch_outcomes (key, state, attempt, started_at, duration_us, recorded_at)
        VALUES (?1, 'cancelled', ?2, ?3, 0, ?3)";
    db.prepare_cached(sql)?.execute((key, attempt, Micros(now)))?;
    Ok(())
}

//! Letting ended items run again.

use flotilla_core::command::{Actor, Selection};
use flotilla_core::ids::{BatchId, Space};
use flotilla_core::item::ItemState;
use flotilla_core::ports::store::Reopened;
use flotilla_core::record::Due;
use flotilla_core::tally::{Ended, ErrorTally};
use jiff::Timestamp;
use rusqlite::{Connection, Row, named_params};

use super::selected::Selected;
use crate::error::Done;
use crate::keys::index_of;
use crate::rows::{BatchRow, dead_letter, event, retry, tried};

/// Items that are held in memory at once.
const CHUNK: u32 = 1_000;

/// How many items would run again.
pub(super) fn dry_run(
    db: &Connection,
    space: &Space,
    id: BatchId,
    selection: &Selection,
    now: Timestamp,
) -> Done<Reopened> {
    let Some(batch) = BatchRow::load(db, id)?.filter(|batch| batch.is_seen_by(space)) else {
        return Ok(Reopened::Unknown);
    };
    if let Err(forbidden) = batch.record.may_reopen() {
        return Ok(Reopened::Forbidden(forbidden));
    }
    let items = Selected::new(&batch, selection)?.count(db)?;
    Ok(Reopened::Done(items, Box::new(batch.into_batch(now))))
}

/// Takes outcomes back, and opens the batch where it had ended.
pub(super) fn reopen(
    db: &Connection,
    space: &Space,
    id: BatchId,
    selection: &Selection,
    by: &Actor,
    now: Timestamp,
) -> Done<Reopened> {
    let Some(mut batch) = BatchRow::load(db, id)?.filter(|batch| batch.is_seen_by(space)) else {
        return Ok(Reopened::Unknown);
    };
    if let Err(forbidden) = batch.record.may_reopen() {
        return Ok(Reopened::Forbidden(forbidden));
    }
    let selected = Selected::new(&batch, selection)?;
    let failed_before = batch.record.tally.failed;
    let mut items = 0;
    for &state in selected.states() {
        let mut after = None;
        loop {
            let chunk = selected.next(db, state, after, CHUNK)?;
            let Some(&(last, _)) = chunk.last() else {
                break;
            };
            after = Some(last);
            for (key, ended) in &chunk {
                run_again(db, &mut batch, *key, ended, now)?;
                items += 1;
            }
        }
    }
    if batch.record.tally.failed != failed_before {
        recount_errors(db, &mut batch)?;
    }
    if let Some(event) = batch.record.reopened(items, by, now) {
        batch.save_head(db)?;
        batch.save_spec(db)?;
        batch.save_tally(db)?;
        event::insert(db, batch.number, &[event])?;
    }
    Ok(Reopened::Done(items, Box::new(batch.into_batch(now))))
}

fn run_again(db: &Connection, batch: &mut BatchRow, key: i64, ended: &Ended, now: Timestamp) -> Done<()> {
    if ended.state == ItemState::Failed {
        tried::keep_failure(db, key)?;
        dead_letter::forget(db, key)?;
    }
    db.prepare_cached("DELETE FROM batch_outcomes WHERE key = ?1")?
        .execute([key])?;
    batch.record.tally.reopen(ended);
    let due = Due {
        index: index_of(key),
        place: batch.record.place_again(ended),
        due_at: now,
    };
    retry::make_due(db, batch.number, &due)
}

/// The error groups of the failures that are left, in the order of their lowest index.
fn recount_errors(db: &Connection, batch: &mut BatchRow) -> Done<()> {
    // The message is that of the row with the lowest key: SQLite promises so for a lone min().
    let sql = "
        SELECT fingerprint, count(*) AS count, min(key) AS first, error_message AS sample
        FROM batch_outcomes
        WHERE state = 'failed' AND state <> 'succeeded' AND key >= :first AND key < :end
        GROUP BY fingerprint ORDER BY min(key)";
    let read = |row: &Row<'_>| {
        let group = ErrorTally {
            count: row.get("count")?,
            sample: row.get("sample")?,
            first: index_of(row.get("first")?),
        };
        Ok((row.get("fingerprint")?, group))
    };
    let mut statement = db.prepare_cached(sql)?;
    let named = named_params! { ":first": batch.number.key(0), ":end": batch.number.end() };
    let mut groups = statement.query_map(named, read)?;
    let mut broken = None;
    // A group at a time: there may be as many as there are failures.
    let whole = std::iter::from_fn(|| groups.next()?.map_err(|error| broken = Some(error)).ok());
    batch.record.tally.detail.recount_errors(whole);
    broken.map_or(Ok(()), |error| Err(error.into()))
}

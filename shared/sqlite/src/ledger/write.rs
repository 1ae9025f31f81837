//! Writing what attempts came to.

use flotilla_core::record::Writes;
use jiff::Timestamp;
use rusqlite::Connection;

use crate::error::Done;
use crate::rows::{BatchRow, dead_letter, lease, outcome, retry, tried};

/// Writes it all. `any_retries` says whether items of the batch may have gone out before.
pub(super) fn write(
    db: &Connection,
    batch: &BatchRow,
    writes: &Writes,
    any_retries: bool,
    now: Timestamp,
) -> Done<()> {
    for ended in &writes.outcomes {
        let key = batch.number.key(ended.index);
        outcome::insert(db, key, ended, now)?;
        dead_letter::insert(db, &batch.record, key, ended, now)?;
        if any_retries {
            retry::forget(db, key)?;
        }
    }
    for attempt in &writes.tried {
        tried::insert(db, batch.number.key(attempt.index), attempt)?;
    }
    for due in &writes.due {
        retry::make_due(db, batch.number, due)?;
    }
    for (index, attempt, at, granted) in &writes.leases {
        lease::save(db, batch.number.key(*index), *attempt, *at, granted, now)?;
    }
    for index in &writes.ended_leases {
        lease::end(db, batch.number.key(*index))?;
    }
    batch.save_tally(db)?;
    batch.save_turn(db, &writes.events, writes.result.as_ref())
}

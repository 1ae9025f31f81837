//! Claiming items for publishing.

use std::ops::Range;

use flotilla_core::ports::store::{Claim, Want};
use jiff::Timestamp;
use rusqlite::Connection;

use super::held::Held;
use crate::error::Done;
use crate::keys::Micros;
use crate::rows::BatchRow;

/// Claims what is wanted, as far as it is there and allowed.
pub(super) fn claim(db: &Connection, wants: &[Want], until: Timestamp, now: Timestamp) -> Done<Vec<Claim>> {
    let mut claims = Vec::new();
    for want in wants {
        claims.extend(claim_from(db, want, until, now)?);
    }
    Ok(claims)
}

fn claim_from(db: &Connection, want: &Want, until: Timestamp, now: Timestamp) -> Done<Option<Claim>> {
    let Some(mut batch) = BatchRow::load(db, want.batch)? else {
        return Ok(None);
    };
    let Ok(state) = batch.state.dispatch() else {
        return Ok(None);
    };
    let room = batch.room().min(want.items);
    let again = take_due(db, &mut batch, room, now)?;
    let fresh = take_next(
        &mut batch,
        room.saturating_sub(u32::try_from(again.len()).unwrap_or(room)),
    );
    if again.is_empty() && fresh.is_empty() {
        return Ok(None);
    }
    batch.tally.version += 1;
    batch.save_dispatch(db)?;
    if batch.state != state || batch.started_at.is_none() {
        (batch.state, batch.started_at) = (state, batch.started_at.or(Some(now)));
        batch.save_state(db)?;
    }
    let held = Held::insert(db, batch.number, &again, fresh, until)?;
    let items = held.items(db)?;
    Ok(Some(held.into_claim(batch, items)))
}

/// The keys of items that are due to go out again, at most `most` of them, due no more.
fn take_due(db: &Connection, batch: &mut BatchRow, most: u32, now: Timestamp) -> Done<Vec<i64>> {
    if batch.tally.retrying == 0 {
        return Ok(Vec::new());
    }
    let sql = "SELECT key FROM item_retries WHERE batch = ?1 AND due_at <= ?2 ORDER BY due_at, key LIMIT ?3";
    let mut statement = db.prepare_cached(sql)?;
    let due = statement.query_map((batch.number, Micros(now), most), |row| row.get(0))?;
    let due: Vec<i64> = due.collect::<Result<_, _>>()?;
    let mut dispatched = db.prepare_cached("UPDATE item_retries SET due_at = NULL WHERE key = ?1")?;
    for key in &due {
        dispatched.execute([key])?;
        batch.tally.retrying = batch.tally.retrying.saturating_sub(1);
    }
    Ok(due)
}

/// The keys of the next items, at most `most` of them.
fn take_next(batch: &mut BatchRow, most: u32) -> Range<i64> {
    let first = batch.next_index;
    batch.next_index += most.min(batch.total - first);
    batch.number.key(first)..batch.number.key(batch.next_index)
}

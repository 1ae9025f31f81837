//! A chunk of items.

use flotilla_core::batch::BatchState;
use flotilla_core::ids::{BatchId, ItemIndex, MAX_ITEMS};
use flotilla_core::item::NewItem;
use flotilla_core::ports::store::Appended;
use rusqlite::Connection;

use super::names;
use crate::error::{Done, Failure};
use crate::keys::{Micros, Number, database_now};

/// Appends `items` to an open batch that holds exactly `first` items.
pub(super) fn append(db: &Connection, id: BatchId, first: ItemIndex, items: &[NewItem]) -> Done<Appended> {
    let batch = super::existing(db, id)?;
    let (state, total) = (batch.record.state, batch.upload.held);
    if state != BatchState::Open {
        return Err(Failure::Conflict(format!(
            "the batch is {state} and takes no more items"
        )));
    }
    if batch.upload.stays_open && batch.upload.appending == 0 {
        // Nobody would keep them.
        return Err(Failure::Conflict(
            "the batch takes items after an append to it has begun, and none has".into(),
        ));
    }
    if total != first {
        return Err(Failure::Conflict(format!(
            "the {state} batch holds {total} items, so item {first} can't be next"
        )));
    }
    let total = total_after(first, items.len())?;
    let namesakes = names::take(db, batch.number, first, items)?;
    if !namesakes.is_empty() {
        return Ok(Appended::Named(namesakes));
    }
    insert(db, batch.number, first, items)?;
    let longest = longest(items).max(batch.record.max_input_bytes);
    grow(db, batch.number, total, longest)?;
    Ok(Appended::All)
}

/// The length of the longest input.
pub(super) fn longest(items: &[NewItem]) -> u32 {
    let longest = items.iter().map(|item| item.input.len()).max().unwrap_or(0);
    u32::try_from(longest).unwrap_or(u32::MAX)
}

/// How many items there are with so many `more`.
pub(super) fn total_after(first: ItemIndex, more: usize) -> Done<u32> {
    let total = u32::try_from(more).ok().and_then(|more| first.checked_add(more));
    let total = total.filter(|&total| total <= MAX_ITEMS);
    total.ok_or_else(|| Failure::Conflict(format!("a batch holds at most {MAX_ITEMS} items")))
}

/// Writes the rows.
pub(super) fn insert(db: &Connection, number: Number, first: ItemIndex, items: &[NewItem]) -> Done<()> {
    let mut statement =
        db.prepare_cached("INSERT INTO batch_items (key, custom_id, input) VALUES (?1, ?2, ?3)")?;
    for (index, item) in (first..).zip(items) {
        statement.execute((number.key(index), &item.custom_id, item.input.as_str()))?;
    }
    Ok(())
}

fn grow(db: &Connection, number: Number, total: u32, max_input_bytes: u32) -> Done<()> {
    let sql = "UPDATE batches SET total = ?2, max_input_bytes = ?3, last_append_at = ?4 WHERE number = ?1";
    let now = Micros(database_now(db)?);
    db.prepare_cached(sql)?
        .execute((number, total, max_input_bytes, now))?;
    let sql = "UPDATE batch_counters SET version = version + 1 WHERE batch = ?1";
    db.prepare_cached(sql)?.execute([number])?;
    Ok(())
}

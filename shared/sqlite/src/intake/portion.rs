//! What a producer appends next.

use flotilla_core::batch::BatchState;
use flotilla_core::ids::{BatchId, Space};
use flotilla_core::ports::store::{Portion, Portioned};
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension};

use super::{append, appending, names, skip};
use crate::error::Done;
use crate::keys::{Id, Number};
use crate::rows::BatchRow;

/// Appends it where the producer is at its position.
pub(super) fn append(
    db: &Connection,
    space: &Space,
    id: BatchId,
    portion: &Portion,
    now: Timestamp,
) -> Done<Portioned> {
    let found = BatchRow::load(db, id)?;
    let Some(mut batch) = found.filter(|batch| batch.is_seen_by(space)) else {
        return Ok(Portioned::Unknown);
    };
    if batch.record.state != BatchState::Open {
        return Ok(Portioned::NotOpen(Box::new(batch.into_batch(now))));
    }
    if appending::is_appending(&batch, now) {
        return Ok(Portioned::Busy);
    }
    let found = position(db, batch.number, &portion.producer)?;
    if found != portion.position {
        return Ok(Portioned::Elsewhere(found));
    }
    // Of an append that never ended.
    appending::drop_unkept(db, &mut batch)?;
    let first = batch.record.total;
    let total = append::total_after(first, portion.items.len())?;
    let namesakes = names::take(db, batch.number, first, &portion.items)?;
    if !namesakes.is_empty() {
        return Ok(Portioned::Named { first, namesakes });
    }
    append::insert(db, batch.number, first, &portion.items)?;
    skip::insert(db, batch.number, batch.record.skipped, &portion.skipped)?;
    let sql = "
        INSERT INTO batch_producers (batch, producer, position) VALUES (?1, ?2, ?3)
        ON CONFLICT (batch, producer) DO UPDATE SET position = excluded.position";
    let to = portion.position.saturating_add(portion.read);
    db.prepare_cached(sql)?
        .execute((batch.number, &portion.producer, to))?;
    let skipped = u32::try_from(portion.skipped.len()).unwrap_or(u32::MAX);
    batch.record.skipped = batch.record.skipped.saturating_add(skipped);
    batch.record.max_input_bytes = batch.record.max_input_bytes.max(append::longest(&portion.items));
    (batch.record.total, batch.upload.held, batch.upload.appended) = (total, total, total);
    batch.upload.touched_at = batch.upload.touched_at.max(now);
    batch.record.tally.version += 1;
    batch.save_upload(db)?;
    batch.save_tally(db)?;
    Ok(Portioned::Done(Box::new(batch.into_batch(now))))
}

/// How far a producer is.
fn position(db: &Connection, number: Number, producer: &str) -> Done<u32> {
    let sql = "SELECT position FROM batch_producers WHERE batch = ?1 AND producer = ?2";
    let found = db
        .prepare_cached(sql)?
        .query_row((number, producer), |row| row.get(0))
        .optional()?;
    Ok(found.unwrap_or(0))
}

/// The same, where `space` has this batch.
pub(super) fn seen(db: &Connection, space: &Space, id: BatchId, producer: &str) -> Done<Option<u32>> {
    let sql = "SELECT number FROM batches WHERE id = ?1 AND space = ?2 AND deleted_at IS NULL";
    let number: Option<Number> = db
        .prepare_cached(sql)?
        .query_row((Id(id), space.as_str()), |row| row.get(0))
        .optional()?;
    number.map(|number| position(db, number, producer)).transpose()
}

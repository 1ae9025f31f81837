//! Appending to a batch that stays open: one caller at a time, and all of what it appends or none.

use std::time::Duration;

use flotilla_core::batch::{Batch, BatchState};
use flotilla_core::ids::{BatchId, ItemIndex, Space};
use flotilla_core::ports::store::Appending;
use jiff::{SignedDuration, Timestamp};
use rusqlite::Connection;

use super::{names, skip};
use crate::error::{Done, Failure};
use crate::rows::BatchRow;

/// Lets the caller append.
pub(super) fn begin(
    db: &Connection,
    space: &Space,
    id: BatchId,
    patience: Duration,
    now: Timestamp,
) -> Done<Appending> {
    let found = BatchRow::load(db, id)?;
    let Some(mut batch) = found.filter(|batch| batch.is_seen_by(space)) else {
        return Ok(Appending::Unknown);
    };
    if batch.record.state != BatchState::Open {
        return Ok(Appending::NotOpen(Box::new(batch.into_batch(now))));
    }
    let patience = i64::try_from(patience.as_micros()).unwrap_or(i64::MAX).max(1);
    // Its uploader appends until it is accepted.
    if batch.is_upload() || (batch.upload.appending > 0 && !was_silent(&batch, patience, now)) {
        return Ok(Appending::Busy);
    }
    drop_unkept(db, &mut batch)?;
    batch.upload.appending = patience;
    batch.upload.touched_at = batch.upload.touched_at.max(now);
    batch.save_upload(db)?;
    Ok(Appending::Ready {
        first: batch.record.total,
        skipped: batch.record.skipped,
    })
}

/// Ends what [`begin`] began.
pub(super) fn end(db: &Connection, id: BatchId, first: ItemIndex, keep: bool, now: Timestamp) -> Done<Batch> {
    let mut batch = super::existing(db, id)?;
    let state = batch.record.state;
    if state != BatchState::Open || batch.is_upload() {
        let why = format!("the batch is {state}: nothing is appended to it");
        return Err(Failure::Conflict(why));
    }
    if batch.upload.appending == 0 || batch.upload.appended != first {
        return Err(Failure::Conflict(
            "the append was silent for too long, and has ended".into(),
        ));
    }
    if keep {
        batch.upload.appended = batch.upload.held;
        batch.record.total = batch.upload.held;
        batch.record.skipped = skip::count(db, batch.number)?;
        batch.record.tally.version += 1;
        batch.save_tally(db)?;
        batch.upload.appending = 0;
    } else {
        drop_unkept(db, &mut batch)?;
    }
    batch.upload.touched_at = batch.upload.touched_at.max(now);
    batch.save_upload(db)?;
    Ok(batch.into_batch(now))
}

/// True while somebody appends who may still end it.
pub(crate) fn is_appending(batch: &BatchRow, now: Timestamp) -> bool {
    batch.is_upload() || (batch.upload.appending > 0 && !was_silent(batch, batch.upload.appending, now))
}

fn was_silent(batch: &BatchRow, patience_us: i64, now: Timestamp) -> bool {
    let heard = batch.upload.touched_at;
    let end = heard.saturating_add(SignedDuration::from_micros(patience_us));
    end.is_ok_and(|end| end <= now)
}

/// Removes what was appended to a batch that stays open and is not kept, and lets nobody append. The caller saves it.
pub(crate) fn drop_unkept(db: &Connection, batch: &mut BatchRow) -> Done<()> {
    let upload = &mut batch.upload;
    if upload.held > upload.appended {
        let sql = "DELETE FROM batch_items WHERE key >= ?1 AND key < ?2";
        db.prepare_cached(sql)?
            .execute((batch.number.key(upload.appended), batch.number.end()))?;
        upload.held = upload.appended;
        names::free(db, batch.number, upload.appended)?;
    }
    skip::drop_from(db, batch.number, batch.record.skipped)?;
    upload.appending = 0;
    Ok(())
}

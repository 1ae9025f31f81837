//! An upload that is accepted before it is complete.

use flotilla_core::batch::{Batch, BatchSpec, BatchState};
use flotilla_core::ids::BatchId;
use jiff::Timestamp;
use rusqlite::Connection;

use crate::error::{Done, Failure};

/// Says what an open batch is to do, and keeps what it has. Said again, it changes nothing.
pub(super) fn keep_open(db: &Connection, id: BatchId, spec: BatchSpec, now: Timestamp) -> Done<Batch> {
    let mut batch = super::existing(db, id)?;
    if batch.record.state != BatchState::Open {
        let state = batch.record.state;
        return Err(Failure::Conflict(format!(
            "the batch is {state} and can't stay open"
        )));
    }
    if batch.is_upload() {
        batch.record.spec = spec;
        batch.record.tally.version += 1;
        batch.record.skipped = super::skip::count(db, batch.number)?;
        batch.upload.stays_open = true;
        batch.upload.appended = batch.upload.held;
        batch.upload.touched_at = batch.upload.touched_at.max(now);
        batch.save_spec(db)?;
        batch.save_upload(db)?;
        batch.save_tally(db)?;
    }
    Ok(batch.into_batch(now))
}

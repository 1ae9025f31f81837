//! The end of an upload.

use flotilla_core::batch::{Batch, BatchSpec};
use flotilla_core::command::{Actor, Command};
use flotilla_core::ids::BatchId;
use jiff::Timestamp;
use rusqlite::Connection;

use crate::error::Done;
use crate::rows::{BatchRow, seal_at};

/// Says what an open batch is to do. An empty one is done with that.
pub(super) fn seal(db: &Connection, id: BatchId, spec: BatchSpec, now: Timestamp) -> Done<Batch> {
    let mut batch = super::existing(db, id)?;
    // Only once: saying what it is to do a second time would be lost.
    batch.record.state.seal(batch.record.total)?;
    if batch.upload.stays_open {
        super::drop_unkept(db, &mut batch)?;
    } else {
        batch.record.skipped = super::skip::count(db, batch.number)?;
    }
    batch.record.spec = spec;
    let commanded = batch.record.command(&Command::Seal, &Actor::system(), now)?;
    save(db, &batch, now)?;
    // Nobody did this to the batch: it is how it came to be.
    let events: Vec<_> = commanded.events.into_iter().skip(1).collect();
    batch.save_turn(db, &events, commanded.result.as_ref())?;
    Ok(batch.into_batch(now))
}

fn save(db: &Connection, batch: &BatchRow, now: Timestamp) -> Done<()> {
    seal_at(db, batch.number, now)?;
    batch.save_spec(db)?;
    batch.save_upload(db)?;
    batch.save_head(db)?;
    batch.save_tally(db)
}

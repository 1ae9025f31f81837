//! Doing what somebody asks for.

use flotilla_core::batch::BatchState;
use flotilla_core::command::{Actor, Command};
use flotilla_core::ids::{BatchId, Space};
use flotilla_core::ports::store::Steered;
use jiff::Timestamp;
use rusqlite::Connection;

use crate::error::{Done, Failure};
use crate::intake::{drop_unkept, is_appending};
use crate::rows::{BatchRow, seal_at};

/// Does it, and writes it into the history of the batch.
pub(super) fn command(
    db: &Connection,
    space: &Space,
    id: BatchId,
    command: &Command,
    by: &Actor,
    now: Timestamp,
) -> Done<Steered> {
    let found = BatchRow::load(db, id)?;
    let Some(mut batch) = found.filter(|batch| batch.is_seen_by(space)) else {
        return Ok(Steered::Unknown);
    };
    let open = batch.record.state == BatchState::Open;
    if open && *command == Command::Seal && is_appending(&batch, now) {
        return Err(Failure::Conflict(
            "items are being appended to the batch: seal it once they all are there".into(),
        ));
    }
    let commanded = match batch.record.command(command, by, now) {
        Ok(commanded) => commanded,
        Err(forbidden) => return Ok(Steered::Forbidden(forbidden)),
    };
    if !commanded.changed {
        return Ok(Steered::Unchanged(Box::new(batch.into_batch(now))));
    }
    if open && batch.upload.stays_open && batch.record.state != BatchState::Open {
        // What an append left that never ended is no part of the batch.
        drop_unkept(db, &mut batch)?;
        batch.save_upload(db)?;
    }
    if *command == Command::Seal {
        seal_at(db, batch.number, now)?;
    }
    batch.save_spec(db)?;
    batch.save_tally(db)?;
    batch.save_turn(db, &commanded.events, commanded.result.as_ref())?;
    Ok(Steered::Done(Box::new(batch.into_batch(now))))
}

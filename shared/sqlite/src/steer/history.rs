//! What was done to a batch.

use flotilla_core::command::BatchEvent;
use flotilla_core::ids::{BatchId, Space};
use rusqlite::Connection;

use crate::error::Done;
use crate::rows::{BatchRow, event};

/// The latest thousand, oldest first.
pub(super) fn of(db: &Connection, space: &Space, id: BatchId) -> Done<Vec<BatchEvent>> {
    match BatchRow::load(db, id)?.filter(|batch| batch.is_seen_by(space)) {
        Some(batch) => event::latest(db, batch.number, 1_000),
        None => Ok(Vec::new()),
    }
}

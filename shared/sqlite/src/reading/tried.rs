//! What an item went through.

use flotilla_core::attempt::Tried;
use flotilla_core::ids::{BatchId, ItemIndex, Space};
use rusqlite::Connection;

use crate::error::Done;
use crate::rows::{BatchRow, tried};

/// The attempts at an item that were followed by another.
pub(super) fn of(db: &Connection, space: &Space, id: BatchId, index: ItemIndex) -> Done<Vec<Tried>> {
    let found = BatchRow::load(db, id)?.filter(|batch| batch.is_seen_by(space));
    found.map_or(Ok(Vec::new()), |batch| tried::of(db, batch.number.key(index)))
}

//! Where one item is.

use flotilla_core::ids::{BatchId, ItemIndex};
use flotilla_core::place::{Lease, Place};
use rusqlite::Connection;

use crate::error::Done;
use crate::rows::{BatchRow, Places, lease};

/// Its place, and its lease where it has one.
pub(super) fn place(db: &Connection, id: BatchId, index: ItemIndex) -> Done<Option<(Place, Option<Lease>)>> {
    let Some(batch) = BatchRow::load(db, id)? else {
        return Ok(None);
    };
    let mut places = Places::new(db, &batch)?;
    places.load(db, &batch, index)?;
    let Some(place) = places.of.remove(&index) else {
        return Ok(None);
    };
    let lease = match place.at.is_leased() {
        true => lease::of(db, batch.number.key(index))?.map(|(lease, _)| lease),
        false => None,
    };
    Ok(Some((place, lease)))
}

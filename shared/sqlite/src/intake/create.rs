//! An upload that is there as a whole.

use flotilla_core::batch::BatchSpec;
use flotilla_core::item::NewItem;
use flotilla_core::ports::store::{Appended, Created, NewBatch, Opened};
use jiff::Timestamp;
use rusqlite::Connection;

use super::append::append;
use super::open::open;
use super::seal::seal;
use crate::error::{Done, Failure};

/// Opens, fills and seals a batch, in the transaction of the caller.
pub(super) fn create(
    db: &Connection,
    new: &NewBatch,
    items: &[NewItem],
    spec: BatchSpec,
    now: Timestamp,
) -> Done<Created> {
    if let Opened::Existing(batch) = open(db, new)? {
        return Ok(Created::Existing(batch));
    }
    if !items.is_empty() && append(db, new.id, 0, items)? != Appended::All {
        return Err(Failure::Conflict("two items have the same custom_id".into()));
    }
    let batch = seal(db, new.id, spec, now)?;
    Ok(Created::New(Box::new(batch)))
}

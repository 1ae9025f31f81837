//! Why a batch waits, in numbers.

use flotilla_core::ids::{BatchId, Space};
use flotilla_core::limits::{Ceilings, ScopeUse, Supply};
use jiff::Timestamp;
use rusqlite::Connection;

use crate::error::Done;
use crate::rows::BatchRow;
use crate::supply;

/// What may be dispatched of a batch, and how much of the ceilings over it is used.
pub(super) fn of(
    db: &Connection,
    space: &Space,
    id: BatchId,
    ceilings: &Ceilings,
    now: Timestamp,
) -> Done<Option<(Supply, Vec<ScopeUse>)>> {
    let found = BatchRow::load(db, id)?;
    let Some(batch) = found.filter(|batch| batch.is_seen_by(space)) else {
        return Ok(None);
    };
    let under = [(space, batch.record.spec.job_type.as_str())];
    let scopes = supply::scopes(db, ceilings, under)?;
    let supply = supply::of(db, &batch, now)?;
    Ok(Some((supply, scopes.into_values().collect())))
}

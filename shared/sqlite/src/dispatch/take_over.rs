//! Going on where a publisher died.

use flotilla_core::ports::store::Claim;
use jiff::Timestamp;
use rusqlite::Connection;

use super::held::Held;
use crate::error::Done;
use crate::rows::BatchRow;

/// Gives claims whose lease is over to the caller. Each turn ends a claim, or renews it and counts it.
pub(super) fn take_over(db: &Connection, until: Timestamp, limit: u32, now: Timestamp) -> Done<Vec<Claim>> {
    let mut taken = Vec::new();
    while taken.len() < limit as usize
        && let Some(held) = Held::next_expired(db, now)?
    {
        let Some(batch) = BatchRow::numbered(db, held.batch())? else {
            held.drop(db)?;
            continue;
        };
        let items = held.items_left(db, &batch.record.spec)?;
        if items.is_empty() {
            held.drop(db)?;
        } else {
            held.renew(db, until)?;
            taken.push(held.into_claim(batch, items));
        }
    }
    Ok(taken)
}

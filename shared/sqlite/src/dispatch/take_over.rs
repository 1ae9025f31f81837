//! Going on where a publisher died.

use flotilla_core::ports::store::Claim;
use jiff::Timestamp;
use rusqlite::{Connection, named_params};

use super::held::Held;
use crate::error::Done;
use crate::rows::BatchRow;

/// Gives claims whose lease is over to the caller. Each turn ends a claim, or renews it and counts it.
pub(super) fn take_over(db: &Connection, until: Timestamp, limit: u32, now: Timestamp) -> Done<Vec<Claim>> {
    let mut taken = Vec::new();
    while taken.len() < limit as usize
        && let Some(held) = Held::next_expired(db, now)?
    {
        let items = held.items(db)?;
        let number = held.batch();
        let batch =
            BatchRow::select(db, "WHERE number = :number", named_params! { ":number": number })?.pop();
        match batch {
            Some(batch) if !items.is_empty() => {
                held.renew(db, until)?;
                taken.push(held.into_claim(batch, items));
            }
            _ => held.drop(db)?,
        }
    }
    Ok(taken)
}

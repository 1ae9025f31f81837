//! Where items are: put together from the rows that say so.

use std::collections::HashMap;

use flotilla_core::ids::ItemIndex;
use flotilla_core::place::{Place, Whereabouts};
use rusqlite::{Connection, OptionalExtension, Row};

use super::BatchRow;
use crate::error::Done;

/// The places of items of one batch. Most batches have no items that were retried or are leased: then nobody looks.
pub(crate) struct Places {
    /// By index; what does not exist is not there.
    pub(crate) of: HashMap<ItemIndex, Place>,
    /// Some items of the batch have a row in `item_retries`.
    pub(crate) any_retries: bool,
    any_leases: bool,
}

impl Places {
    /// None yet.
    pub(crate) fn new(db: &Connection, batch: &BatchRow) -> Done<Self> {
        let range = (batch.number.key(0), batch.number.end());
        let retries = "SELECT EXISTS (SELECT 1 FROM item_retries WHERE key >= ?1 AND key < ?2)";
        let leases = "SELECT EXISTS (SELECT 1 FROM item_leases WHERE key >= ?1 AND key < ?2)";
        Ok(Self {
            of: HashMap::new(),
            any_retries: db.prepare_cached(retries)?.query_one(range, |row| row.get(0))?,
            any_leases: db.prepare_cached(leases)?.query_one(range, |row| row.get(0))?,
        })
    }

    /// Loads the place of the item at `index`, where it exists.
    pub(crate) fn load(&mut self, db: &Connection, batch: &BatchRow, index: ItemIndex) -> Done<()> {
        if !self.of.contains_key(&index)
            && let Some(place) = self.find(db, batch, index)?
        {
            self.of.insert(index, place);
        }
        Ok(())
    }

    fn find(&self, db: &Connection, batch: &BatchRow, index: ItemIndex) -> Done<Option<Place>> {
        let (record, key) = (&batch.record, batch.number.key(index));
        if index >= record.total {
            return Ok(None);
        }
        let fresh = Place::dispatched(&record.spec);
        if index >= record.next_index {
            let at = Whereabouts::Pending;
            return Ok(Some(Place { at, ..fresh }));
        }
        if let Some(attempt) = settled(db, key)? {
            return Ok(Some(Place {
                attempt,
                last_attempt: fresh.last_attempt.max(attempt),
                at: Whereabouts::Settled,
                ..fresh
            }));
        }
        let mut place = fresh;
        if self.any_retries
            && let Some(again) = again(db, key)?
        {
            place = again;
        }
        if self.any_leases
            && let Some(at) = leased(db, key)?
        {
            place.at = at;
        }
        Ok(Some(place))
    }
}

fn settled(db: &Connection, key: i64) -> Done<Option<u16>> {
    let sql = "SELECT attempt FROM batch_outcomes WHERE key = ?1";
    Ok(db
        .prepare_cached(sql)?
        .query_row([key], |row| row.get(0))
        .optional()?)
}

fn again(db: &Connection, key: i64) -> Done<Option<Place>> {
    let sql = "SELECT attempt, last_attempt, losses, kind, due_at FROM item_retries WHERE key = ?1";
    Ok(db.prepare_cached(sql)?.query_row([key], read_retry).optional()?)
}

/// Reads `attempt, last_attempt, losses, kind, due_at` of an item that goes out more than once.
pub(crate) fn read_retry(row: &Row<'_>) -> rusqlite::Result<Place> {
    let due: Option<i64> = row.get("due_at")?;
    let retrying = row.get_ref("kind")?.as_str()? == "retrying";
    Ok(Place {
        attempt: row.get("attempt")?,
        last_attempt: row.get("last_attempt")?,
        losses: row.get("losses")?,
        at: match due {
            None => Whereabouts::Dispatched,
            Some(_) if retrying => Whereabouts::Retrying,
            Some(_) => Whereabouts::Returned,
        },
    })
}

fn leased(db: &Connection, key: i64) -> Done<Option<Whereabouts>> {
    let sql = "SELECT kind FROM item_leases WHERE key = ?1";
    let kind = |row: &Row<'_>| Ok(super::lease::at(row.get_ref(0)?.as_str()?));
    Ok(db.prepare_cached(sql)?.query_row([key], kind).optional()?)
}

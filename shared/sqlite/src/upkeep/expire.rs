//! Leases that are over.

use std::collections::BTreeMap;

use flotilla_core::attempt::Attempt;
use flotilla_core::batch::Batch;
use jiff::Timestamp;
use rusqlite::Connection;

use crate::error::Done;
use crate::keys::{Micros, Number, index_of, number_of};
use crate::ledger::take;
use crate::rows::{BatchRow, Places, lease};

/// True where there are any.
pub(super) fn any(db: &Connection, now: Timestamp) -> Done<bool> {
    let sql = "SELECT EXISTS (SELECT 1 FROM item_leases WHERE until <= ?1)";
    Ok(db
        .prepare_cached(sql)?
        .query_one([Micros(now)], |row| row.get(0))?)
}

/// Lets the attempts fail that they are for. Answers the batches that changed.
pub(super) fn expire(db: &Connection, limit: u32, now: Timestamp) -> Done<Vec<Batch>> {
    let mut changed = Vec::new();
    for (number, keys) in over(db, limit, now)? {
        if let Some(mut batch) = BatchRow::numbered(db, Number(number))? {
            let attempts = attempts(db, &batch, &keys)?;
            if take(db, &mut batch, attempts, now)? {
                changed.push(batch.into_batch(now));
            }
        }
        // Whatever they were for: none of them is looked at again.
        for key in keys {
            lease::end(db, key)?;
        }
    }
    Ok(changed)
}

/// The keys of those that ended first, by the number of their batch.
fn over(db: &Connection, limit: u32, now: Timestamp) -> Done<BTreeMap<i64, Vec<i64>>> {
    let sql = "SELECT key FROM item_leases WHERE until <= ?1 ORDER BY until, key LIMIT ?2";
    let mut statement = db.prepare_cached(sql)?;
    let keys = statement.query_map((Micros(now), limit), |row| row.get::<_, i64>(0))?;
    let mut over = BTreeMap::<i64, Vec<i64>>::new();
    for key in keys {
        let key = key?;
        over.entry(number_of(key)).or_default().push(key);
    }
    Ok(over)
}

fn attempts(db: &Connection, batch: &BatchRow, keys: &[i64]) -> Done<Vec<Attempt>> {
    let mut places = Places::new(db, batch)?;
    let mut attempts = Vec::with_capacity(keys.len());
    for &key in keys {
        let index = index_of(key);
        places.load(db, batch, index)?;
        if let (Some(place), Some((_, since))) = (places.of.get(&index), lease::of(db, key)?) {
            attempts.push(place.lease_over(batch.record.id, index, since));
        }
    }
    Ok(attempts)
}

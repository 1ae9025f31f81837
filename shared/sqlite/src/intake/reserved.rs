//! Keys that a space accepts once in a while.

use flotilla_core::ids::{BatchId, Space};
use flotilla_core::ports::store::KeyHolder;
use jiff::Timestamp;
use rusqlite::Connection;

use crate::error::Done;
use crate::keys::{Id, Micros};

/// Reserves keys, and answers who has each of them.
pub(super) fn reserve(
    db: &Connection,
    space: &Space,
    batch: BatchId,
    keys: &[String],
    until: Timestamp,
    now: Timestamp,
) -> Done<Vec<KeyHolder>> {
    let reserve = "
        INSERT INTO item_keys (space, key, batch, until) VALUES (?1, ?2, ?3, ?4)
        ON CONFLICT (space, key) DO UPDATE SET batch = excluded.batch, until = excluded.until
        WHERE until <= ?5 OR batch = excluded.batch";
    // A key whose batch is gone stays with it: what was accepted was accepted.
    let holder = "
        SELECT k.batch, coalesce(b.state = 'open' AND NOT b.stays_open, 0)
        FROM item_keys k LEFT JOIN batches b ON b.id = k.batch
        WHERE k.space = ?1 AND k.key = ?2";
    let (mut reserve, mut holder) = (db.prepare_cached(reserve)?, db.prepare_cached(holder)?);
    let mut holders = Vec::with_capacity(keys.len());
    for key in keys {
        let taken = reserve.execute((space.as_str(), key, Id(batch), Micros(until), Micros(now)))?;
        holders.push(match taken {
            0 => holder.query_one((space.as_str(), key), |row| {
                let Id(other) = row.get(0)?;
                Ok(if row.get(1)? {
                    KeyHolder::Uploading(other)
                } else {
                    KeyHolder::Accepted(other)
                })
            })?,
            _ => KeyHolder::Asker,
        });
    }
    Ok(holders)
}

/// Gives back what a batch reserved that is not going to be accepted.
pub(super) fn give_back(db: &Connection, batch: BatchId) -> Done<()> {
    db.prepare_cached("DELETE FROM item_keys WHERE batch = ?1")?
        .execute([Id(batch)])?;
    Ok(())
}

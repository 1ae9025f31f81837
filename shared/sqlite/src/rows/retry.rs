//! Items that go out more than once.

use flotilla_core::place::Whereabouts;
use flotilla_core::record::Due;
use rusqlite::Connection;

use crate::error::Done;
use crate::keys::{Micros, Number};

/// Makes an item due, whatever was known of it.
pub(crate) fn make_due(db: &Connection, batch: Number, due: &Due) -> Done<()> {
    let sql = "
        INSERT INTO item_retries (key, batch, attempt, last_attempt, losses, kind, due_at)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
        ON CONFLICT (key) DO UPDATE
        SET attempt = excluded.attempt, last_attempt = excluded.last_attempt, losses = excluded.losses,
            kind = excluded.kind, due_at = excluded.due_at";
    let Due { index, place, due_at } = due;
    let kind = if place.at == Whereabouts::Retrying {
        "retrying"
    } else {
        "returned"
    };
    db.prepare_cached(sql)?.execute((
        batch.key(*index),
        batch,
        place.attempt,
        place.last_attempt,
        place.losses,
        kind,
        Micros(*due_at),
    ))?;
    Ok(())
}

/// The item at `key` has ended.
pub(crate) fn forget(db: &Connection, key: i64) -> Done<()> {
    db.prepare_cached("DELETE FROM item_retries WHERE key = ?1")?
        .execute([key])?;
    Ok(())
}

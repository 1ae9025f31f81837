//! What was done to a batch.

use flotilla_core::command::{Actor, BatchEvent};
use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ValueRef};
use rusqlite::{Connection, Row};

use crate::error::Done;
use crate::keys::{Micros, Number};

/// Adds to the history of a batch.
pub(crate) fn insert(db: &Connection, batch: Number, events: &[BatchEvent]) -> Done<()> {
    let sql = "INSERT INTO batch_events (batch, at, actor, action, detail) VALUES (?1, ?2, ?3, ?4, ?5)";
    for event in events {
        let BatchEvent {
            at,
            by,
            action,
            detail,
        } = event;
        db.prepare_cached(sql)?
            .execute((batch, Micros(*at), by.as_str(), action, detail))?;
    }
    Ok(())
}

/// The latest events of a batch, oldest first.
pub(crate) fn latest(db: &Connection, batch: Number, limit: u32) -> Done<Vec<BatchEvent>> {
    let sql = "
        SELECT * FROM (
            SELECT id, at, actor, action, detail FROM batch_events WHERE batch = ?1 ORDER BY id DESC LIMIT ?2)
        ORDER BY id";
    let mut statement = db.prepare_cached(sql)?;
    let events = statement.query_map((batch, limit), read)?;
    Ok(events.collect::<Result<_, _>>()?)
}

fn read(row: &Row<'_>) -> rusqlite::Result<BatchEvent> {
    Ok(BatchEvent {
        at: row.get::<_, Micros>("at")?.0,
        by: row.get::<_, By>("actor")?.0,
        action: row.get("action")?,
        detail: row.get("detail")?,
    })
}

/// Not parsed: people can't have the name of the system, but it is stored like theirs.
struct By(Actor);

impl FromSql for By {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        let actor = serde_json::from_value(value.as_str()?.into());
        actor.map(Self).map_err(FromSqlError::other)
    }
}

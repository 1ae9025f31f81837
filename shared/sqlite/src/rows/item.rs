//! An item with its outcome, if it has one, and its next attempt, if it waits for one.

use flotilla_core::item::{Item, ItemState};
use flotilla_core::outcome::{ItemError, ItemErrorKind, Output};
use rusqlite::Row;
use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ValueRef};

use super::text::{Raw, Text};
use crate::keys::{index_of, time, unsigned};

/// What a query must select for [`item`]: of `i`, `o` and `r`, the item and, joined from the left, its outcome and its
/// retry.
pub(crate) const ITEM_COLUMNS: &str = "
    i.key, i.custom_id, i.input,
    o.state, o.attempt, o.output, o.output_key, o.output_bytes, o.error_kind, o.error_message, o.started_at,
    o.duration_us, o.recorded_at,
    r.attempt AS next_attempt, r.due_at";

/// Reads a row of [`ITEM_COLUMNS`], of a batch that dispatched the items before `next_index`.
pub(crate) fn item(row: &Row<'_>, next_index: u32) -> rusqlite::Result<Item> {
    let index = index_of(row.get("key")?);
    let settled = row
        .get::<_, Option<Text<ItemState>>>("state")?
        .map(|Text(state)| state);
    let next_attempt: Option<u16> = row.get("next_attempt")?;
    let waits = row.get::<_, Option<i64>>("due_at")?.is_some();
    let (state, attempts) = match settled {
        Some(state) => (state, row.get("attempt")?),
        None if index >= next_index => (ItemState::Pending, 0),
        None if waits => (ItemState::Retrying, next_attempt.unwrap_or(1)),
        None => (ItemState::Queued, next_attempt.unwrap_or(1)),
    };
    Ok(Item {
        index,
        custom_id: row.get("custom_id")?,
        state,
        attempts,
        input: row.get::<_, Raw>("input")?.0,
        output: output(row)?,
        error: error(row)?,
        started_at: time(row, "started_at")?,
        finished_at: time(row, "recorded_at")?,
        duration_us: row.get::<_, Option<i64>>("duration_us")?.map(unsigned),
    })
}

fn output(row: &Row<'_>) -> rusqlite::Result<Option<Output>> {
    if let Some(key) = row.get("output_key")? {
        let bytes = unsigned(row.get("output_bytes")?);
        return Ok(Some(Output::Stored { key, bytes }));
    }
    let inline: Option<Raw> = row.get("output")?;
    Ok(inline.map(|Raw(json)| Output::Inline(json)))
}

fn error(row: &Row<'_>) -> rusqlite::Result<Option<ItemError>> {
    let Some(Kind(kind)) = row.get("error_kind")? else {
        return Ok(None);
    };
    let message = row.get("error_message")?;
    Ok(Some(ItemError { kind, message }))
}

struct Kind(ItemErrorKind);

impl FromSql for Kind {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        let kind = serde_json::from_value(value.as_str()?.into());
        kind.map(Self).map_err(FromSqlError::other)
    }
}

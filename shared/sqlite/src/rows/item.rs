//! An item with whatever else is known of it.

use flotilla_core::artifact::{Artifact, MAX_LISTED_BYTES};
use flotilla_core::batch::BatchSpec;
use flotilla_core::item::{Item, ItemState};
use flotilla_core::outcome::{ItemError, ItemErrorKind, Output};
use flotilla_core::place::{Place, Whereabouts};
use rusqlite::Row;
use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ValueRef};

use super::lease;
use super::place::read_retry;
use super::text::{Raw, Text};
use crate::keys::{index_of, time, unsigned};

/// What a query must select for [`item`]: of `i`, `o`, `r`, `l` and `t`, the item and, joined from the left, its outcome,
/// what is known of it because it goes out more than once, its lease, and its last attempt that failed. `:limit` is how
/// many there may be: a page of long lists of files would have no bound.
pub(crate) const ITEM_COLUMNS: &str = "
    i.key, i.custom_id, i.input,
    o.state, o.attempt AS ended_attempt, o.output, o.output_key, o.output_bytes, o.recorded_at,
    CASE WHEN :limit <= 1 OR octet_length(o.artifacts) <= 16384 THEN o.artifacts END AS artifacts,
    :limit > 1 AND octet_length(o.artifacts) > 16384 AS artifacts_left_out,
    coalesce(o.error_kind, t.error_kind) AS error_kind,
    coalesce(o.error_message, t.error_message) AS error_message,
    coalesce(o.started_at, t.started_at) AS started_at,
    coalesce(o.duration_us, t.duration_us) AS duration_us,
    o.state = 'cancelled' AND o.worker IS NULL AS never_told,
    r.attempt, r.last_attempt, r.losses, r.kind, r.due_at,
    l.kind AS lease";

/// Reads a row of [`ITEM_COLUMNS`], of a batch that dispatched the items before `next_index`.
pub(crate) fn item(row: &Row<'_>, next_index: u32) -> rusqlite::Result<Item> {
    let index = index_of(row.get("key")?);
    let settled = row
        .get::<_, Option<Text<ItemState>>>("state")?
        .map(|Text(state)| state);
    let (state, attempts) = match settled {
        Some(state) => (state, row.get("ended_attempt")?),
        None if index >= next_index => (ItemState::Pending, 0),
        None => {
            let place = place(row)?;
            (seen(place.at), place.attempts())
        }
    };
    // Nobody knows when an attempt began that ended without a report.
    let told = row.get::<_, Option<bool>>("never_told")? != Some(true);
    Ok(Item {
        index,
        custom_id: row.get("custom_id")?,
        state,
        attempts,
        input: row.get::<_, Raw>("input")?.0,
        output: output(row)?,
        artifacts: artifacts(row)?,
        artifacts_left_out: row.get::<_, Option<bool>>("artifacts_left_out")? == Some(true),
        error: error(row)?,
        started_at: time(row, "started_at")?.filter(|_| told),
        finished_at: time(row, "recorded_at")?,
        duration_us: row
            .get::<_, Option<i64>>("duration_us")?
            .filter(|_| told)
            .map(unsigned),
    })
}

/// The place of an item that was dispatched and has no outcome.
fn place(row: &Row<'_>) -> rusqlite::Result<Place> {
    let mut place = match row.get::<_, Option<u16>>("attempt")? {
        Some(_) => read_retry(row)?,
        None => Place::dispatched(&BatchSpec::default()),
    };
    if let Some(kind) = row.get_ref("lease")?.as_str_or_null()? {
        place.at = lease::at(kind);
    }
    Ok(place)
}

/// The state of an item as readers see it.
fn seen(at: Whereabouts) -> ItemState {
    match at {
        Whereabouts::Pending | Whereabouts::Returned => ItemState::Pending,
        Whereabouts::Retrying => ItemState::Retrying,
        Whereabouts::Waiting => ItemState::Waiting,
        Whereabouts::Dispatched | Whereabouts::Leased | Whereabouts::Settled => ItemState::Queued,
    }
}

fn output(row: &Row<'_>) -> rusqlite::Result<Option<Output>> {
    if let Some(key) = row.get("output_key")? {
        let bytes = unsigned(row.get("output_bytes")?);
        return Ok(Some(Output::Stored { key, bytes }));
    }
    let inline: Option<Raw> = row.get("output")?;
    Ok(inline.map(|Raw(json)| Output::Inline(json)))
}

fn artifacts(row: &Row<'_>) -> rusqlite::Result<Vec<Artifact>> {
    let json = row.get_ref("artifacts")?.as_str_or_null()?;
    json.map_or(Ok(Vec::new()), |json| {
        serde_json::from_str(json).map_err(|error| FromSqlError::other(error).into())
    })
}

/// [`ITEM_COLUMNS`] have it as a number.
const _: () = assert!(MAX_LISTED_BYTES == 16_384);

fn error(row: &Row<'_>) -> rusqlite::Result<Option<ItemError>> {
    let Some(Kind(kind)) = row.get("error_kind")? else {
        return Ok(None);
    };
    let message = row.get("error_message")?;
    Ok(Some(ItemError { kind, message }))
}

/// The kind of an error in a text column.
pub(crate) struct Kind(pub(crate) ItemErrorKind);

impl FromSql for Kind {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        let kind = serde_json::from_value(value.as_str()?.into());
        kind.map(Self).map_err(FromSqlError::other)
    }
}

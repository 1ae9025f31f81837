//! The row of an outcome.

use flotilla_core::outcome::{Ending, ItemError, Outcome, Output};
use jiff::Timestamp;
use rusqlite::{Connection, params};

use crate::error::Done;
use crate::keys::{Micros, signed};

/// Writes it. The item at `key` has none yet: whoever writes has looked.
pub(crate) fn insert(db: &Connection, key: i64, outcome: &Outcome, now: Timestamp) -> Done<()> {
    let sql = "
        INSERT INTO batch_outcomes (key, state, attempt, output, output_key, output_bytes, error_kind, error_message,
                                    fingerprint, started_at, duration_us, worker, recorded_at, artifacts)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)";
    let (inline, stored) = match &outcome.ending {
        Ending::Succeeded(Output::Inline(json)) => (Some(json.as_str()), None),
        Ending::Succeeded(Output::Stored { key, bytes }) => (None, Some((key, signed(*bytes)))),
        Ending::Failed(_) | Ending::Cancelled => (None, None),
    };
    let error = match &outcome.ending {
        Ending::Failed(error) => Some(error),
        Ending::Succeeded(_) | Ending::Cancelled => None,
    };
    db.prepare_cached(sql)?.execute(params![
        key,
        outcome.ending.state().as_str(),
        outcome.attempt,
        inline,
        stored.map(|(key, _)| key),
        stored.map(|(_, bytes)| bytes),
        error.map(|error| error.kind.as_str()),
        error.map(|error| &error.message),
        error.map(ItemError::fingerprint),
        Micros(outcome.started_at),
        signed(outcome.duration_us),
        outcome.worker.as_ref().map(|worker| &*worker.0),
        Micros(now),
        artifacts(outcome),
    ])?;
    Ok(())
}

/// As JSON: every part of them has such a form.
fn artifacts(outcome: &Outcome) -> Option<String> {
    let some = !outcome.artifacts.is_empty();
    some.then(|| serde_json::to_string(&outcome.artifacts).ok())
        .flatten()
}

//! The row of an outcome.

use flotilla_core::outcome::{Ending, Outcome, Output};
use jiff::Timestamp;
use rusqlite::{Connection, named_params};

use crate::error::Done;
use crate::keys::{Micros, signed};

/// Writes it, unless the item at `key` has one already. Answers whether it did.
pub(crate) fn insert(db: &Connection, key: i64, outcome: &Outcome, now: Timestamp) -> Done<bool> {
    let sql = "
        INSERT INTO batch_outcomes (key, state, attempt, output, output_key, output_bytes, error_kind, error_message,
                                    fingerprint, started_at, duration_us, worker, recorded_at)
        VALUES (:key, :state, :attempt, :output, :output_key, :output_bytes, :error_kind, :error_message,
                :fingerprint, :started_at, :duration_us, :worker, :recorded_at)
        ON CONFLICT (key) DO NOTHING";
    let (inline, stored) = match &outcome.ending {
        Ending::Succeeded(Output::Inline(json)) => (Some(json.as_str()), None),
        Ending::Succeeded(Output::Stored { key, bytes }) => (None, Some((key, signed(*bytes)))),
        Ending::Failed(_) | Ending::Cancelled => (None, None),
    };
    let error = match &outcome.ending {
        Ending::Failed(error) => Some(error),
        Ending::Succeeded(_) | Ending::Cancelled => None,
    };
    let inserted = db.prepare_cached(sql)?.execute(named_params! {
        ":key": key,
        ":state": outcome.ending.state().as_str(),
        ":attempt": outcome.attempt,
        ":output": inline,
        ":output_key": stored.map(|(key, _)| key),
        ":output_bytes": stored.map(|(_, bytes)| bytes),
        ":error_kind": error.map(|error| error.kind.as_str()),
        ":error_message": error.map(|error| &error.message),
        ":fingerprint": error.map(flotilla_core::outcome::ItemError::fingerprint),
        ":started_at": Micros(outcome.started_at),
        ":duration_us": signed(outcome.duration_us),
        ":worker": outcome.worker.as_ref().map(|worker| &*worker.0),
        ":recorded_at": Micros(now),
    })?;
    Ok(inserted == 1)
}

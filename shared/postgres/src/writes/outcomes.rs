//! Outcomes as one array per column: thousands of rows are one statement with a dozen parameters.

use std::borrow::Cow;

use flotilla_core::outcome::{Ending, Outcome, Output};
use jiff::Timestamp;
use tokio_postgres::types::ToSql;
use uuid::Uuid;

use crate::rows::{bigint, integer, storable, storable_time};

/// Inserts what has no outcome yet. An item that was never dispatched is not there.
pub(super) const INSERT: &str = "\
    INSERT INTO batch_outcomes
        (batch_id, index, state, attempt, output, output_key, output_bytes, error_kind, error_message, fingerprint,
         started_at, duration_us, worker, recorded_at)
    SELECT o.batch_id, o.index, o.state, o.attempt, o.output, o.output_key, o.output_bytes, o.error_kind,
           o.error_message, o.fingerprint, o.started_at, o.duration_us, o.worker, $14
    FROM unnest($1::uuid[], $2::integer[], $3::text[], $4::integer[], $5::text[], $6::text[], $7::bigint[], $8::text[],
                $9::text[], $10::text[], $11::timestamptz[], $12::bigint[], $13::text[])
         AS o (batch_id, index, state, attempt, output, output_key, output_bytes, error_kind, error_message, fingerprint,
               started_at, duration_us, worker)
    JOIN batch_dispatch d ON d.batch_id = o.batch_id AND o.index < d.next_index
    ON CONFLICT DO NOTHING
    RETURNING batch_id, index";

/// The parameters of [`INSERT`] but the last.
#[derive(Default)]
pub(super) struct Columns<'a> {
    pub(super) batch: Vec<Uuid>,
    pub(super) index: Vec<i32>,
    state: Vec<&'static str>,
    attempt: Vec<i32>,
    output: Vec<Option<&'a str>>,
    output_key: Vec<Option<Cow<'a, str>>>,
    output_bytes: Vec<Option<i64>>,
    error_kind: Vec<Option<&'static str>>,
    error_message: Vec<Option<Cow<'a, str>>>,
    fingerprint: Vec<Option<String>>,
    started_at: Vec<Timestamp>,
    duration_us: Vec<i64>,
    worker: Vec<Option<Cow<'a, str>>>,
}

impl<'a> Columns<'a> {
    pub(super) fn of(outcomes: &'a [Outcome]) -> Self {
        let mut columns = Self::default();
        outcomes.iter().for_each(|outcome| columns.push(outcome));
        columns
    }

    fn push(&mut self, outcome: &'a Outcome) {
        self.batch.push(outcome.batch.0);
        self.index.push(integer(outcome.index));
        self.state.push(outcome.ending.state().as_str());
        self.attempt.push(i32::from(outcome.attempt));
        self.push_output(&outcome.ending);
        self.push_error(&outcome.ending);
        self.started_at.push(storable_time(outcome.started_at));
        self.duration_us.push(bigint(outcome.duration_us));
        self.worker
            .push(outcome.worker.as_ref().map(|worker| storable(&worker.0)));
    }

    fn push_output(&mut self, ending: &'a Ending) {
        let (inline, key, bytes) = match ending {
            Ending::Succeeded(Output::Inline(json)) => (Some(json.as_str()), None, None),
            Ending::Succeeded(Output::Stored { key, bytes }) => {
                (None, Some(storable(key)), Some(bigint(*bytes)))
            }
            Ending::Failed(_) | Ending::Cancelled => (None, None, None),
        };
        self.output.push(inline);
        self.output_key.push(key);
        self.output_bytes.push(bytes);
    }

    fn push_error(&mut self, ending: &'a Ending) {
        let error = match ending {
            Ending::Failed(error) => Some(error),
            Ending::Succeeded(_) | Ending::Cancelled => None,
        };
        self.error_kind.push(error.map(|error| error.kind.as_str()));
        self.error_message
            .push(error.map(|error| storable(&error.message)));
        self.fingerprint
            .push(error.map(flotilla_core::outcome::ItemError::fingerprint));
    }

    /// In the order of [`INSERT`], with its last one.
    pub(super) fn parameters<'p>(&'p self, now: &'p Timestamp) -> [&'p (dyn ToSql + Sync); 14] {
        [
            &self.batch,
            &self.index,
            &self.state,
            &self.attempt,
            &self.output,
            &self.output_key,
            &self.output_bytes,
            &self.error_kind,
            &self.error_message,
            &self.fingerprint,
            &self.started_at,
            &self.duration_us,
            &self.worker,
            now,
        ]
    }
}

//! What became of items.

use std::borrow::Cow;

use deadpool_postgres::Transaction;
use flotilla_core::outcome::{Ending, ItemError, Outcome, Output};
use jiff::Timestamp;
use tokio_postgres::error::SqlState;
use uuid::Uuid;

use super::Change;
use crate::error::Failure;
use crate::rows::{bigint, integer, storable, storable_time};

/// Without `ON CONFLICT`, which would make it a third slower: none of them has a row, the lock of the counters says so.
const INSERT: &str = "\
    INSERT INTO batch_outcomes
        (batch_id, index, state, attempt, output, output_key, output_bytes, error_kind, error_message, fingerprint,
         started_at, duration_us, worker, recorded_at)
    SELECT o.*, $14
    FROM unnest($1::uuid[], $2::integer[], $3::text[], $4::integer[], $5::text[], $6::text[], $7::bigint[], $8::text[],
                $9::text[], $10::text[], $11::timestamptz[], $12::bigint[], $13::text[]) AS o";

#[derive(Debug, Default)]
pub(super) struct Rows<'a> {
    batch: Vec<Uuid>,
    index: Vec<i32>,
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

impl<'a> Rows<'a> {
    pub(super) fn of(changes: &'a [Change]) -> Self {
        let mut rows = Self::default();
        let outcomes = changes.iter().flat_map(|change| &change.writes.outcomes);
        outcomes.for_each(|outcome| rows.push(outcome));
        rows
    }

    pub(super) fn is_empty(&self) -> bool {
        self.index.is_empty()
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
        self.fingerprint.push(error.map(ItemError::fingerprint));
    }

    pub(super) async fn insert(&self, transaction: &Transaction<'_>, now: Timestamp) -> Result<(), Failure> {
        let statement = transaction.prepare_cached(INSERT).await?;
        let inserted = transaction
            .execute(
                &statement,
                &[
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
                    &now,
                ],
            )
            .await;
        match inserted {
            Ok(_) => Ok(()),
            Err(error) if error.code() == Some(&SqlState::UNIQUE_VIOLATION) => Err(Failure::Raced),
            Err(error) => Err(error.into()),
        }
    }
}

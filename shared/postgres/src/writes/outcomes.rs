//! What became of items.

use std::pin::pin;

use bytes::Bytes;
use deadpool_postgres::Transaction;
use flotilla_core::artifact::Artifact;
use flotilla_core::outcome::{Ending, ItemError, Outcome, Output};
use futures_util::SinkExt;
use jiff::Timestamp;
use tokio_postgres::error::SqlState;

use super::Change;
use crate::binary::{self, Row};
use crate::error::Failure;
use crate::rows::{bigint, integer, storable, storable_time};

/// COPY knows no `ON CONFLICT`, and none is needed: none of them has a row, the lock of the counters says so.
const COPY: &str = "\
    COPY batch_outcomes
        (batch_id, index, state, attempt, output, output_key, output_bytes, error_kind, error_message, fingerprint,
         started_at, duration_us, worker, recorded_at, artifacts)
    FROM STDIN (FORMAT binary)";

/// Rows as they go over the wire.
#[derive(Debug)]
pub(crate) struct Rows {
    count: u64,
    pieces: Vec<Bytes>,
}

impl Rows {
    pub(crate) fn of(changes: &[Change], now: Timestamp) -> Self {
        let outcomes: Vec<_> = changes
            .iter()
            .flat_map(|change| &change.writes.outcomes)
            .collect();
        let count = outcomes.len() as u64;
        let pieces = match count {
            0 => Vec::new(),
            _ => binary::encode(outcomes, |row, outcome| put(row, outcome, now)).collect(),
        };
        Self { count, pieces }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.count == 0
    }

    pub(super) async fn insert(&self, transaction: &Transaction<'_>) -> Result<(), Failure> {
        match self.copy(transaction).await {
            Ok(count) if count == self.count => Ok(()),
            Ok(count) => Err(Failure::Corrupt(format!(
                "{count} of {} outcomes were stored",
                self.count
            ))),
            Err(error) if error.code() == Some(&SqlState::UNIQUE_VIOLATION) => Err(Failure::Raced),
            Err(error) => Err(error.into()),
        }
    }

    async fn copy(&self, transaction: &Transaction<'_>) -> Result<u64, tokio_postgres::Error> {
        let statement = transaction.prepare_cached(COPY).await?;
        let mut sink = pin!(transaction.copy_in::<_, Bytes>(&statement).await?);
        for piece in &self.pieces {
            sink.send(piece.clone()).await?;
        }
        sink.finish().await
    }
}

/// The columns of [`COPY`].
fn put(row: &mut Row<'_>, outcome: &Outcome, now: Timestamp) {
    row.bytes(outcome.batch.0.as_bytes());
    row.integer(integer(outcome.index));
    row.text(Some(outcome.ending.state().as_str()));
    row.integer(outcome.attempt.into());
    put_output(row, &outcome.ending);
    put_error(row, &outcome.ending);
    row.time(storable_time(outcome.started_at));
    row.bigint(bigint(outcome.duration_us));
    match &outcome.worker {
        Some(worker) => row.text(Some(&storable(&worker.0))),
        None => row.null(),
    }
    row.time(now);
    put_artifacts(row, &outcome.artifacts);
}

fn put_artifacts(row: &mut Row<'_>, artifacts: &[Artifact]) {
    if artifacts.is_empty() {
        return row.null();
    }
    // All of them have a JSON form, and texts of other programs may hold what no column can.
    match serde_json::to_string(artifacts) {
        Ok(json) => row.text(Some(&storable(&json))),
        Err(_) => row.null(),
    }
}

fn put_output(row: &mut Row<'_>, ending: &Ending) {
    match ending {
        Ending::Succeeded(Output::Inline(json)) => {
            row.text(Some(json.as_str()));
            row.null();
            row.null();
        }
        Ending::Succeeded(Output::Stored { key, bytes }) => {
            row.null();
            row.text(Some(&storable(key)));
            row.bigint(bigint(*bytes));
        }
        Ending::Failed(_) | Ending::Cancelled => (0..3).for_each(|_| row.null()),
    }
}

fn put_error(row: &mut Row<'_>, ending: &Ending) {
    match ending {
        Ending::Failed(error) => {
            row.text(Some(error.kind.as_str()));
            row.text(Some(&storable(&error.message)));
            row.text(Some(&ItemError::fingerprint(error)));
        }
        Ending::Succeeded(_) | Ending::Cancelled => (0..3).for_each(|_| row.null()),
    }
}

//! A dead letter of each item that failed.

use std::borrow::Cow;

use deadpool_postgres::Transaction;
use flotilla_core::outcome::{Ending, ItemError, Outcome};
use flotilla_core::record::BatchRecord;
use jiff::Timestamp;
use uuid::Uuid;

use super::Change;
use crate::error::Failure;
use crate::rows::{integer, storable, storable_time};

const INSERT: &str = "\
    INSERT INTO dead_letters
        (batch_id, index, space, job_type, error_kind, error_message, fingerprint, attempts, worker, started_at, dead_at)
    SELECT l.*, $11
    FROM unnest($1::uuid[], $2::integer[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::integer[],
                $9::text[], $10::timestamptz[]) AS l
    ON CONFLICT DO NOTHING";

#[derive(Debug, Default)]
pub(super) struct Rows<'a> {
    batch: Vec<Uuid>,
    index: Vec<i32>,
    space: Vec<&'a str>,
    job_type: Vec<&'a str>,
    error_kind: Vec<&'static str>,
    error_message: Vec<Cow<'a, str>>,
    fingerprint: Vec<String>,
    attempts: Vec<i32>,
    worker: Vec<Option<Cow<'a, str>>>,
    started_at: Vec<Timestamp>,
}

impl<'a> Rows<'a> {
    pub(super) fn of(changes: &'a [Change]) -> Self {
        let mut rows = Self::default();
        for change in changes {
            for outcome in &change.writes.outcomes {
                if let Ending::Failed(error) = &outcome.ending {
                    rows.push(&change.record, outcome, error);
                }
            }
        }
        rows
    }

    pub(super) fn is_empty(&self) -> bool {
        self.index.is_empty()
    }

    fn push(&mut self, record: &'a BatchRecord, outcome: &'a Outcome, error: &'a ItemError) {
        self.batch.push(outcome.batch.0);
        self.index.push(integer(outcome.index));
        self.space.push(record.space.as_str());
        self.job_type.push(&record.spec.job_type);
        self.error_kind.push(error.kind.as_str());
        self.error_message.push(storable(&error.message));
        self.fingerprint.push(error.fingerprint());
        self.attempts.push(outcome.attempt.into());
        self.worker
            .push(outcome.worker.as_ref().map(|worker| storable(&worker.0)));
        self.started_at.push(storable_time(outcome.started_at));
    }

    pub(super) async fn insert(&self, transaction: &Transaction<'_>, now: Timestamp) -> Result<(), Failure> {
        let statement = transaction.prepare_cached(INSERT).await?;
        transaction
            .execute(
                &statement,
                &[
                    &self.batch,
                    &self.index,
                    &self.space,
                    &self.job_type,
                    &self.error_kind,
                    &self.error_message,
                    &self.fingerprint,
                    &self.attempts,
                    &self.worker,
                    &self.started_at,
                    &now,
                ],
            )
            .await?;
        Ok(())
    }
}

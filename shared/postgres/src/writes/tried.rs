//! Attempts that failed and are followed by another.

use std::borrow::Cow;

use deadpool_postgres::Transaction;
use flotilla_core::BatchId;
use flotilla_core::attempt::Tried;
use jiff::Timestamp;
use uuid::Uuid;

use super::Change;
use crate::error::Failure;
use crate::rows::{bigint, integer, storable, storable_time};

const INSERT: &str = "\
    INSERT INTO item_attempts
        (batch_id, index, attempt, error_kind, error_message, started_at, duration_us, worker)
    SELECT * FROM unnest($1::uuid[], $2::integer[], $3::integer[], $4::text[], $5::text[], $6::timestamptz[],
                         $7::bigint[], $8::text[])
    ON CONFLICT DO NOTHING";

#[derive(Debug, Default)]
pub(super) struct Rows<'a> {
    batch: Vec<Uuid>,
    index: Vec<i32>,
    attempt: Vec<i32>,
    error_kind: Vec<&'static str>,
    error_message: Vec<Cow<'a, str>>,
    started_at: Vec<Timestamp>,
    duration_us: Vec<i64>,
    worker: Vec<Option<Cow<'a, str>>>,
}

impl<'a> Rows<'a> {
    pub(super) fn of(changes: &'a [Change]) -> Self {
        let mut rows = Self::default();
        for change in changes {
            let tried = change.writes.tried.iter();
            tried.for_each(|tried| rows.push(change.record.id, tried));
        }
        rows
    }

    pub(super) fn is_empty(&self) -> bool {
        self.index.is_empty()
    }

    fn push(&mut self, batch: BatchId, tried: &'a Tried) {
        self.batch.push(batch.0);
        self.index.push(integer(tried.index));
        self.attempt.push(tried.attempt.into());
        self.error_kind.push(tried.error.kind.as_str());
        self.error_message.push(storable(&tried.error.message));
        self.started_at.push(storable_time(tried.started_at));
        self.duration_us.push(bigint(tried.duration_us));
        self.worker
            .push(tried.worker.as_ref().map(|worker| storable(&worker.0)));
    }

    pub(super) async fn insert(&self, transaction: &Transaction<'_>) -> Result<(), Failure> {
        let statement = transaction.prepare_cached(INSERT).await?;
        transaction
            .execute(
                &statement,
                &[
                    &self.batch,
                    &self.index,
                    &self.attempt,
                    &self.error_kind,
                    &self.error_message,
                    &self.started_at,
                    &self.duration_us,
                    &self.worker,
                ],
            )
            .await?;
        Ok(())
    }
}

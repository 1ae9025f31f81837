//! The counts of batches.

use deadpool_postgres::Transaction;
use flotilla_core::tally::Tally;
use uuid::Uuid;

use super::Change;
use crate::error::Failure;
use crate::rows::{bigint, integer, text_of};

const UPDATE: &str = "\
    UPDATE batch_counters c
    SET version = t.version, retrying = t.retrying, returned = t.returned, waiting = t.waiting,
        succeeded = t.succeeded, failed = t.failed, cancelled = t.cancelled, detail = t.detail
    FROM unnest($1::uuid[], $2::bigint[], $3::integer[], $4::integer[], $5::integer[], $6::integer[], $7::integer[],
                $8::integer[], $9::text[])
         AS t (batch_id, version, retrying, returned, waiting, succeeded, failed, cancelled, detail)
    WHERE c.batch_id = t.batch_id";

#[derive(Debug, Default)]
pub(super) struct Rows {
    batch: Vec<Uuid>,
    version: Vec<i64>,
    retrying: Vec<i32>,
    returned: Vec<i32>,
    waiting: Vec<i32>,
    succeeded: Vec<i32>,
    failed: Vec<i32>,
    cancelled: Vec<i32>,
    detail: Vec<String>,
}

impl Rows {
    pub(super) fn of(changes: &[Change]) -> Result<Self, Failure> {
        let mut rows = Self::default();
        for change in changes.iter().filter(|change| change.writes.changed) {
            rows.batch.push(change.record.id.0);
            rows.push(&change.record.tally)?;
        }
        Ok(rows)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.batch.is_empty()
    }

    fn push(&mut self, tally: &Tally) -> Result<(), Failure> {
        self.version.push(bigint(tally.version));
        self.retrying.push(integer(tally.retrying));
        self.returned.push(integer(tally.returned));
        self.waiting.push(integer(tally.waiting));
        self.succeeded.push(integer(tally.succeeded));
        self.failed.push(integer(tally.failed));
        self.cancelled.push(integer(tally.cancelled));
        self.detail
            .push(text_of("the detail of the counts", &tally.detail)?);
        Ok(())
    }

    pub(super) async fn update(&self, transaction: &Transaction<'_>) -> Result<(), Failure> {
        let statement = transaction.prepare_cached(UPDATE).await?;
        let updated = transaction
            .execute(
                &statement,
                &[
                    &self.batch,
                    &self.version,
                    &self.retrying,
                    &self.returned,
                    &self.waiting,
                    &self.succeeded,
                    &self.failed,
                    &self.cancelled,
                    &self.detail,
                ],
            )
            .await?;
        if updated == self.batch.len() as u64 {
            Ok(())
        } else {
            Err(Failure::Raced)
        }
    }
}

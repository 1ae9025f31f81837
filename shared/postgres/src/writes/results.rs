//! What ended batches amount to.

use deadpool_postgres::Transaction;
use jiff::Timestamp;
use uuid::Uuid;

use super::Change;
use crate::error::Failure;
use crate::rows::{integer, text_of};

const INSERT: &str = "\
    INSERT INTO batch_results (batch_id, revision, space, result, created_at)
    SELECT r.batch_id, r.revision, r.space, r.result::json, r.created_at
    FROM unnest($1::uuid[], $2::integer[], $3::text[], $4::text[], $5::timestamptz[])
         AS r (batch_id, revision, space, result, created_at)
    ON CONFLICT DO NOTHING";

#[derive(Debug, Default)]
pub(super) struct Rows<'a> {
    batch: Vec<Uuid>,
    revision: Vec<i32>,
    space: Vec<&'a str>,
    result: Vec<String>,
    created_at: Vec<Timestamp>,
}

impl<'a> Rows<'a> {
    pub(super) fn of(changes: &'a [Change]) -> Result<Self, Failure> {
        let mut rows = Self::default();
        for change in changes {
            let Some(result) = &change.writes.result else {
                continue;
            };
            rows.batch.push(change.record.id.0);
            rows.revision.push(integer(result.revision));
            rows.space.push(change.record.space.as_str());
            rows.result.push(text_of("the result", result)?);
            rows.created_at.push(result.created_at);
        }
        Ok(rows)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.batch.is_empty()
    }

    /// A revision is written once: where it is there already, the batch was not what it seemed to be.
    pub(super) async fn insert(&self, transaction: &Transaction<'_>) -> Result<(), Failure> {
        let statement = transaction.prepare_cached(INSERT).await?;
        let inserted = transaction
            .execute(
                &statement,
                &[
                    &self.batch,
                    &self.revision,
                    &self.space,
                    &self.result,
                    &self.created_at,
                ],
            )
            .await?;
        if inserted == self.batch.len() as u64 {
            Ok(())
        } else {
            Err(Failure::Raced)
        }
    }
}

//! Follow-ups that results call for.

use deadpool_postgres::Transaction;
use uuid::Uuid;

use super::Change;
use crate::error::Failure;
use crate::rows::integer;

const INSERT: &str = "\
    INSERT INTO follow_ups (batch_id, revision)
    SELECT f.batch_id, f.revision FROM unnest($1::uuid[], $2::integer[]) AS f (batch_id, revision)
    ON CONFLICT DO NOTHING";

#[derive(Debug, Default)]
pub(super) struct Rows {
    batch: Vec<Uuid>,
    revision: Vec<i32>,
}

impl Rows {
    pub(super) fn of(changes: &[Change]) -> Self {
        let mut rows = Self::default();
        for change in changes {
            if let Some(result) = &change.writes.result
                && change.record.calls_for_follow_up()
            {
                rows.batch.push(change.record.id.0);
                rows.revision.push(integer(result.revision));
            }
        }
        rows
    }

    pub(super) fn is_empty(&self) -> bool {
        self.batch.is_empty()
    }

    pub(super) async fn insert(&self, transaction: &Transaction<'_>) -> Result<(), Failure> {
        let statement = transaction.prepare_cached(INSERT).await?;
        transaction
            .execute(&statement, &[&self.batch, &self.revision])
            .await?;
        Ok(())
    }
}

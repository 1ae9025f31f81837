//! What is to be removed of ended batches: written where one ends, and gone where it runs again or is deleted. Of batches
//! whose retention says nothing there is nothing to write.

use deadpool_postgres::Transaction;
use jiff::Timestamp;
use uuid::Uuid;

use super::Change;
use crate::error::Failure;

const INSERT: &str = "\
    INSERT INTO batch_expiries (batch_id, part, due_at)
    SELECT e.batch_id, e.part, e.due_at
    FROM unnest($1::uuid[], $2::text[], $3::timestamptz[]) AS e (batch_id, part, due_at)
    ON CONFLICT (batch_id, part) DO UPDATE SET due_at = excluded.due_at, begun = false, next_index = 0";

const DELETE: &str = "DELETE FROM batch_expiries WHERE batch_id = ANY($1)";

const WHOLE: &str = "\
    UPDATE batches b SET expires_at = t.expires_at
    FROM unnest($1::uuid[], $2::timestamptz[]) AS t (id, expires_at)
    WHERE b.id = t.id";

#[derive(Debug, Default)]
pub(super) struct Rows {
    /// Batches of which something is to be removed, once for each part.
    batch: Vec<Uuid>,
    part: Vec<&'static str>,
    due_at: Vec<Timestamp>,
    /// Batches of which nothing is to be removed any more.
    kept: Vec<Uuid>,
    /// Batches whose end is known now, or not any more.
    whole: Vec<Uuid>,
    expires_at: Vec<Option<Timestamp>>,
}

impl Rows {
    pub(super) fn of(changes: &[Change]) -> Self {
        let mut rows = Self::default();
        let retained = changes
            .iter()
            .filter(|change| !change.record.spec.retention.is_empty());
        for change in retained {
            let (record, id) = (&change.record, change.record.id.0);
            if !change.before.ends_otherwise(record) {
                continue;
            }
            let before = rows.batch.len();
            for (part, due_at) in record.expiries() {
                rows.batch.push(id);
                rows.part.push(part.as_str());
                rows.due_at.push(due_at);
            }
            if rows.batch.len() == before {
                rows.kept.push(id);
            }
            rows.whole.push(id);
            rows.expires_at.push(record.expires_at());
        }
        rows
    }

    pub(super) fn is_empty(&self) -> bool {
        self.whole.is_empty()
    }

    /// After the rows of `batches`, which it locks too.
    pub(super) async fn write(&self, transaction: &Transaction<'_>) -> Result<(), Failure> {
        if !self.kept.is_empty() {
            let statement = transaction.prepare_cached(DELETE).await?;
            transaction.execute(&statement, &[&self.kept]).await?;
        }
        if !self.batch.is_empty() {
            let statement = transaction.prepare_cached(INSERT).await?;
            transaction
                .execute(&statement, &[&self.batch, &self.part, &self.due_at])
                .await?;
        }
        let statement = transaction.prepare_cached(WHOLE).await?;
        transaction
            .execute(&statement, &[&self.whole, &self.expires_at])
            .await?;
        Ok(())
    }
}

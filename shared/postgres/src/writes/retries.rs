//! Items that go out again.

use deadpool_postgres::Transaction;
use flotilla_core::BatchId;
use flotilla_core::place::Whereabouts;
use flotilla_core::record::Due;
use jiff::Timestamp;
use uuid::Uuid;

use super::Change;
use super::keys::delete_by_key;
use crate::error::Failure;
use crate::rows::integer;

/// What has an outcome needs no further attempt.
pub(super) const DELETE: &str = delete_by_key!("item_retries");

const UPSERT: &str = "\
    INSERT INTO item_retries (batch_id, index, attempt, last_attempt, losses, due_at, kind)
    SELECT * FROM unnest($1::uuid[], $2::integer[], $3::integer[], $4::integer[], $5::integer[], $6::timestamptz[],
                         $7::text[])
    ON CONFLICT (batch_id, index) DO UPDATE
    SET attempt = excluded.attempt, last_attempt = excluded.last_attempt, losses = excluded.losses,
        due_at = excluded.due_at, kind = excluded.kind";

#[derive(Debug, Default)]
pub(super) struct Rows {
    batch: Vec<Uuid>,
    index: Vec<i32>,
    attempt: Vec<i32>,
    last_attempt: Vec<i32>,
    losses: Vec<i32>,
    due_at: Vec<Timestamp>,
    kind: Vec<&'static str>,
}

impl Rows {
    pub(super) fn of(changes: &[Change]) -> Self {
        let mut rows = Self::default();
        for change in changes {
            let due = change.writes.due.iter();
            due.for_each(|due| rows.push(change.record.id, due));
        }
        rows
    }

    pub(super) fn is_empty(&self) -> bool {
        self.index.is_empty()
    }

    fn push(&mut self, batch: BatchId, due: &Due) {
        self.batch.push(batch.0);
        self.index.push(integer(due.index));
        self.attempt.push(due.place.attempt.into());
        self.last_attempt.push(due.place.last_attempt.into());
        self.losses.push(due.place.losses.into());
        self.due_at.push(due.due_at);
        self.kind.push(match due.place.at {
            Whereabouts::Returned => "returned",
            _ => "retrying",
        });
    }

    pub(super) async fn upsert(&self, transaction: &Transaction<'_>) -> Result<(), Failure> {
        let statement = transaction.prepare_cached(UPSERT).await?;
        transaction
            .execute(
                &statement,
                &[
                    &self.batch,
                    &self.index,
                    &self.attempt,
                    &self.last_attempt,
                    &self.losses,
                    &self.due_at,
                    &self.kind,
                ],
            )
            .await?;
        Ok(())
    }
}

//! What was done to batches.

use std::borrow::Cow;

use deadpool_postgres::Transaction;
use jiff::Timestamp;
use uuid::Uuid;

use super::Change;
use crate::error::Failure;
use crate::rows::storable;

const INSERT: &str = "\
    INSERT INTO batch_events (batch_id, at, actor, action, detail)
    SELECT e.batch_id, e.at, e.actor, e.action, e.detail
    FROM unnest($1::uuid[], $2::timestamptz[], $3::text[], $4::text[], $5::text[]) WITH ORDINALITY
         AS e (batch_id, at, actor, action, detail, turn)
    ORDER BY e.turn";

#[derive(Debug, Default)]
pub(super) struct Rows<'a> {
    batch: Vec<Uuid>,
    at: Vec<Timestamp>,
    actor: Vec<&'a str>,
    action: Vec<&'a str>,
    detail: Vec<Option<Cow<'a, str>>>,
}

impl<'a> Rows<'a> {
    pub(super) fn of(changes: &'a [Change]) -> Self {
        let mut rows = Self::default();
        for change in changes {
            for event in &change.writes.events {
                rows.batch.push(change.record.id.0);
                rows.at.push(event.at);
                rows.actor.push(event.by.as_str());
                rows.action.push(&event.action);
                rows.detail.push(event.detail.as_deref().map(storable));
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
            .execute(
                &statement,
                &[&self.batch, &self.at, &self.actor, &self.action, &self.detail],
            )
            .await?;
        Ok(())
    }
}

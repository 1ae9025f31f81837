//! Items whose row in some table goes.

use deadpool_postgres::Transaction;
use flotilla_core::{BatchId, ItemIndex};
use uuid::Uuid;

use super::Change;
use crate::error::Failure;
use crate::rows::integer;

/// A statement that deletes rows of a table by batch and index. Each is looked up by key and removed by its place,
/// whatever the planner thinks of the table: it may have been empty when the statement was prepared.
macro_rules! delete_by_key {
    ($table:literal) => {
        concat!(
            "DELETE FROM ",
            $table,
            " WHERE ctid = ANY (ARRAY( \
                 SELECT r.ctid FROM unnest($1::uuid[], $2::integer[]) AS o (batch_id, index) \
                 CROSS JOIN LATERAL (SELECT ctid FROM ",
            $table,
            " WHERE batch_id = o.batch_id AND index = o.index LIMIT 1) AS r))"
        )
    };
}

pub(super) use delete_by_key;

/// Batch and index of each.
#[derive(Debug, Default)]
pub(super) struct Keys {
    batch: Vec<Uuid>,
    index: Vec<i32>,
}

/// Those that had a row in `item_retries` and have an outcome now.
pub(super) fn of_ended_retries(changes: &[Change]) -> Keys {
    Keys::of(
        changes
            .iter()
            .map(|change| (change.record.id, &change.ended_retries)),
    )
}

/// Those that have no lease any more.
pub(super) fn of_ended_leases(changes: &[Change]) -> Keys {
    Keys::of(
        changes
            .iter()
            .map(|change| (change.record.id, &change.writes.ended_leases)),
    )
}

impl Keys {
    fn of<'a>(items: impl Iterator<Item = (BatchId, &'a Vec<ItemIndex>)>) -> Self {
        let mut keys = Self::default();
        for (batch, indexes) in items {
            keys.batch.extend(indexes.iter().map(|_| batch.0));
            keys.index.extend(indexes.iter().copied().map(integer));
        }
        keys
    }

    pub(super) fn is_empty(&self) -> bool {
        self.index.is_empty()
    }

    /// Runs `statement`, which deletes rows by these.
    pub(super) async fn delete(
        &self,
        transaction: &Transaction<'_>,
        statement: &'static str,
    ) -> Result<(), Failure> {
        let statement = transaction.prepare_cached(statement).await?;
        transaction
            .execute(&statement, &[&self.batch, &self.index])
            .await?;
        Ok(())
    }
}

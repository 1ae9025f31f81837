//! Appends what a producer sends next.

use deadpool_postgres::Transaction;
use flotilla_core::ports::store::{Portion, Portioned};
use flotilla_core::record::BatchRecord;
use flotilla_core::{BatchId, BatchState, Result, Space};
use jiff::Timestamp;
use tokio_postgres::Row;

use super::append::Append as Items;
use super::{kept_open, names, skip};
use crate::error::Failure;
use crate::lock;
use crate::rows::{bigint, count, get, integer, record};
use crate::session::{Client, Operation};
use crate::writes::{self, Change, Kept};

const POSITION: &str = "SELECT position FROM batch_producers WHERE batch_id = $1 AND producer = $2";

const MOVE: &str = "\
    INSERT INTO batch_producers (batch_id, producer, position) VALUES ($1, $2, $3)
    ON CONFLICT (batch_id, producer) DO UPDATE SET position = excluded.position";

const GROW: &str = "\
    UPDATE batches
    SET total = total + $2, appended = total + $2, skipped = skipped + $3, max_input_bytes = greatest(max_input_bytes, $4),
        input_bytes = input_bytes + $5, last_append_at = greatest(last_append_at, $6)
    WHERE id = $1
    RETURNING max_input_bytes";

pub(super) struct AppendPortion<'a> {
    pub(super) space: &'a Space,
    pub(super) batch: BatchId,
    pub(super) portion: Portion,
    pub(super) now: Timestamp,
}

impl Operation for AppendPortion<'_> {
    type Output = Portioned;
    const ATTEMPT: &'static str = "append items of a producer";

    async fn run(&self, client: &mut Client) -> Result<Portioned, Failure> {
        let transaction = client.transaction().await?;
        let Some(row) = lock::whole(&transaction, self.batch).await? else {
            return Ok(Portioned::Unknown);
        };
        let batch = record(&row)?;
        if let Some(refused) = self.refused(&row, &batch)? {
            return Ok(refused);
        }
        let position = position(&transaction, self.batch, &self.portion.producer).await?;
        if position != self.portion.position {
            return Ok(Portioned::Elsewhere(position));
        }
        // Of an append that never ended.
        kept_open::drop_unkept(&transaction, self.batch, self.now).await?;
        self.store(transaction, batch).await
    }
}

impl AppendPortion<'_> {
    fn refused(&self, row: &Row, batch: &BatchRecord) -> Result<Option<Portioned>, Failure> {
        if batch.space != *self.space || batch.deleted_at.is_some() {
            return Ok(Some(Portioned::Unknown));
        }
        if batch.state != BatchState::Open {
            return Ok(Some(Portioned::NotOpen(Box::new(
                batch.clone().seen_at(self.now),
            ))));
        }
        let busy = !get::<bool>(row, "stays_open")? || kept_open::is_appending(row, None, self.now)?;
        Ok(busy.then_some(Portioned::Busy))
    }

    async fn store(
        &self,
        transaction: Transaction<'_>,
        mut batch: BatchRecord,
    ) -> Result<Portioned, Failure> {
        let Portion {
            producer,
            position,
            read,
            items,
            skipped,
        } = &self.portion;
        let before = Kept::of(&batch);
        let items = Items {
            batch: self.batch,
            first: batch.total,
            items: items.clone(),
        };
        let many = items.count_items()?;
        let namesakes = names::take(&transaction, self.batch, batch.total, &items.items).await?;
        if !namesakes.is_empty() {
            let first = batch.total;
            return Ok(Portioned::Named { first, namesakes });
        }
        if many > 0 {
            items.copy(&transaction).await?;
        }
        skip::insert(&transaction, self.batch, batch.skipped, skipped).await?;
        let to = position.saturating_add(*read);
        let statement = transaction.prepare_cached(MOVE).await?;
        transaction
            .execute(&statement, &[&self.batch.0, producer, &integer(to)])
            .await?;
        let more_skipped = u32::try_from(skipped.len()).unwrap_or(u32::MAX);
        let statement = transaction.prepare_cached(GROW).await?;
        let row = transaction
            .query_one(
                &statement,
                &[
                    &self.batch.0,
                    &many,
                    &integer(more_skipped),
                    &items.longest(),
                    &bigint(items.bytes()),
                    &self.now,
                ],
            )
            .await?;
        batch.total = batch.total.saturating_add(many.unsigned_abs());
        batch.skipped = batch.skipped.saturating_add(more_skipped);
        batch.max_input_bytes = count(&row, "max_input_bytes")?;
        batch.tally.version += 1;
        let change = Change::of_batch(before, batch, Vec::new(), None);
        writes::store(&transaction, std::slice::from_ref(&change), self.now).await?;
        transaction.commit().await?;
        Ok(Portioned::Done(Box::new(change.record.seen_at(self.now))))
    }
}

/// How far a producer is.
async fn position(transaction: &Transaction<'_>, batch: BatchId, producer: &str) -> Result<u32, Failure> {
    let statement = transaction.prepare_cached(POSITION).await?;
    let row = transaction.query_opt(&statement, &[&batch.0, &producer]).await?;
    row.map_or(Ok(0), |row| count(&row, "position"))
}

const SEEN: &str = "\
    SELECT coalesce(p.position, 0) AS position
    FROM batches b LEFT JOIN batch_producers p ON p.batch_id = b.id AND p.producer = $3
    WHERE b.id = $1 AND b.space = $2 AND b.deleted_at IS NULL";

pub(super) struct Position<'a> {
    pub(super) space: &'a Space,
    pub(super) batch: BatchId,
    pub(super) producer: &'a str,
}

impl Operation for Position<'_> {
    type Output = Option<u32>;
    const ATTEMPT: &'static str = "look how far a producer is";

    async fn run(&self, client: &mut Client) -> Result<Option<u32>, Failure> {
        let statement = client.prepare_cached(SEEN).await?;
        let row = client
            .query_opt(&statement, &[&self.batch.0, &self.space.as_str(), &self.producer])
            .await?;
        row.map(|row| count(&row, "position")).transpose()
    }
}

//! Records outcomes: one transaction, whatever their number and whichever batches they belong to.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use deadpool_postgres::Transaction;
use flotilla_core::batch::Batch;
use flotilla_core::ids::MAX_ITEMS;
use flotilla_core::outcome::Outcome;
use flotilla_core::{BatchId, ItemIndex, Result};
use futures_util::future::try_join4;
use jiff::Timestamp;
use tokio_postgres::Row;
use uuid::Uuid;

use super::columns::{self, Columns};
use super::finalize;
use crate::error::Failure;
use crate::rows::{StoredBatch, batch_id, count, get, select_batches};
use crate::session::{Client, Operation};

/// One writer per batch at a time; in one order, so that writers of several batches don't wait for each other.
const LOCK: &str = "SELECT FROM batch_counters WHERE batch_id = ANY($1) ORDER BY batch_id FOR NO KEY UPDATE";

const LOAD: &str = select_batches!("WHERE b.id = ANY($1) ORDER BY b.id");

/// What has an outcome needs no further attempt. Those that waited for one were counted as retrying.
const END_RETRIES: &str = "\
    DELETE FROM item_retries r
    USING unnest($1::uuid[], $2::integer[]) AS o (batch_id, index)
    WHERE r.batch_id = o.batch_id AND r.index = o.index
    RETURNING r.batch_id, r.due_at IS NOT NULL AS waited";

pub(super) struct Record {
    outcomes: Vec<Outcome>,
    batches: Vec<Uuid>,
    now: Timestamp,
}

impl Record {
    pub(super) fn new(mut outcomes: Vec<Outcome>, now: Timestamp) -> Self {
        let mut seen = HashSet::with_capacity(outcomes.len());
        let batches: BTreeSet<Uuid> = outcomes.iter().map(|outcome| outcome.batch.0).collect();
        // The first one counts. Where an index does not fit the column, there is no such item.
        outcomes.retain(|outcome| outcome.index < MAX_ITEMS && seen.insert((outcome.batch, outcome.index)));
        Self {
            outcomes,
            batches: batches.into_iter().collect(),
            now,
        }
    }
}

impl Operation for Record {
    type Output = Vec<Batch>;
    const ATTEMPT: &'static str = "record outcomes";

    async fn run(&self, client: &mut Client) -> Result<Vec<Batch>, Failure> {
        let transaction = client.transaction().await?;
        let stored = self.store(&transaction).await?;
        let mut batches = stored.batches;
        let mut moved = Vec::new();
        for batch in &mut batches {
            if self.count(batch, &stored.recorded, &stored.ended_retries) {
                moved.push(batch);
            }
        }
        if !moved.is_empty() {
            let counted: Vec<&StoredBatch> = moved.iter().map(|batch| &**batch).collect();
            finalize::save_tallies(&transaction, &counted).await?;
            finalize::finish(&transaction, &mut moved, self.now).await?;
        }
        transaction.commit().await?;
        Ok(batches.into_iter().map(|batch| batch.seen_at(self.now)).collect())
    }
}

/// What the statements of the first flight answered.
struct Stored {
    /// The batches as they were before, locked.
    batches: Vec<StoredBatch>,
    /// The outcomes that are new.
    recorded: HashSet<(BatchId, ItemIndex)>,
    /// How many items of which batch wait for no further attempt any more.
    ended_retries: BTreeMap<BatchId, u32>,
}

impl Record {
    /// Four statements in one flight: the server runs them in this order, and each sees what was committed before the
    /// lock was granted.
    async fn store(&self, transaction: &Transaction<'_>) -> Result<Stored, Failure> {
        let lock = transaction.prepare_cached(LOCK).await?;
        let load = transaction.prepare_cached(LOAD).await?;
        let insert = transaction.prepare_cached(columns::INSERT).await?;
        let end_retries = transaction.prepare_cached(END_RETRIES).await?;
        let columns = Columns::of(&self.outcomes);
        let (_, batches, recorded, ended) = try_join4(
            transaction.execute(&lock, &[&self.batches]),
            transaction.query(&load, &[&self.batches]),
            transaction.query(&insert, &columns.parameters(&self.now)),
            transaction.query(&end_retries, &[&columns.batch, &columns.index]),
        )
        .await?;
        Ok(Stored {
            batches: batches.iter().map(StoredBatch::read).collect::<Result<_, _>>()?,
            recorded: recorded
                .iter()
                .map(|row| Ok((batch_id(row, "batch_id")?, count(row, "index")?)))
                .collect::<Result<_, Failure>>()?,
            ended_retries: by_batch(&ended)?,
        })
    }

    /// Moves the counts of a batch by what was recorded of it. False where that was nothing.
    fn count(
        &self,
        batch: &mut StoredBatch,
        recorded: &HashSet<(BatchId, ItemIndex)>,
        ended_retries: &BTreeMap<BatchId, u32>,
    ) -> bool {
        let (id, before) = (batch.id, batch.tally.version);
        let new = self
            .outcomes
            .iter()
            .filter(|outcome| outcome.batch == id && recorded.contains(&(id, outcome.index)));
        let start = batch.started_at.unwrap_or(batch.created_at);
        let ended = ended_retries.get(&id).copied().unwrap_or(0);
        batch.tally.retrying = batch.tally.retrying.saturating_sub(ended);
        batch.tally.settle(new, self.now, start);
        batch.tally.version != before
    }
}

fn by_batch(rows: &[Row]) -> Result<BTreeMap<BatchId, u32>, Failure> {
    let mut counts = BTreeMap::new();
    for row in rows {
        if get(row, "waited")? {
            *counts.entry(batch_id(row, "batch_id")?).or_default() += 1;
        }
    }
    Ok(counts)
}

//! Counting outcomes.

use std::collections::BTreeMap;

use async_trait::async_trait;
use flotilla_core::Result;
use flotilla_core::batch::Batch;
use flotilla_core::ids::BatchId;
use flotilla_core::outcome::Outcome;
use flotilla_core::ports::store::Ledger;
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension};

use crate::SqliteStore;
use crate::error::Done;
use crate::rows::{BatchRow, insert_outcome};

#[async_trait]
impl Ledger for SqliteStore {
    async fn record(&self, outcomes: Vec<Outcome>, now: Timestamp) -> Result<Vec<Batch>> {
        self.writer
            .run("record outcomes", move |db| record(db, &outcomes, now))
            .await
    }
}

fn record(db: &Connection, outcomes: &[Outcome], now: Timestamp) -> Done<Vec<Batch>> {
    let mut named = BTreeMap::<BatchId, Vec<&Outcome>>::new();
    for outcome in outcomes {
        named.entry(outcome.batch).or_default().push(outcome);
    }
    let mut batches = Vec::with_capacity(named.len());
    for (id, outcomes) in named {
        if let Some(mut batch) = BatchRow::load(db, id)? {
            settle(db, &mut batch, outcomes, now)?;
            batches.push(batch.into_batch(now));
        }
    }
    Ok(batches)
}

/// Records the outcomes of one batch, moves its counts by what was new, and ends it with the last one.
fn settle(db: &Connection, batch: &mut BatchRow, outcomes: Vec<&Outcome>, now: Timestamp) -> Done<()> {
    let mut inserted = Vec::with_capacity(outcomes.len());
    for outcome in outcomes {
        // What was never dispatched can't have ended, whoever says so: it will be dispatched, and counted then.
        if outcome.index < batch.next_index
            && insert_outcome(db, batch.number.key(outcome.index), outcome, now)?
        {
            end_retry(db, batch, outcome)?;
            inserted.push(outcome);
        }
    }
    if inserted.is_empty() {
        return Ok(());
    }
    let start = batch.started_at.unwrap_or(batch.created_at);
    batch.tally.settle(inserted, now, start);
    batch.save_tally(db)?;
    batch.finish_if_settled(db, now)
}

/// An item that has ended does not go out again, and does not count as waiting for it.
fn end_retry(db: &Connection, batch: &mut BatchRow, outcome: &Outcome) -> Done<()> {
    let sql = "DELETE FROM item_retries WHERE key = ?1 RETURNING due_at IS NOT NULL";
    let key = batch.number.key(outcome.index);
    let waited: Option<bool> = db
        .prepare_cached(sql)?
        .query_row([key], |row| row.get(0))
        .optional()?;
    if waited == Some(true) {
        batch.tally.retrying = batch.tally.retrying.saturating_sub(1);
    }
    Ok(())
}

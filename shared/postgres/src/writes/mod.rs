//! Everything that transactions write about batches and their items, a kind of row to a file. The caller holds the locks
//! of the batches' counters.
//!
//! Outcomes go in by COPY. All other rows are arrays, one per column: thousands of them are one statement with a dozen
//! parameters. What there is none of is no statement, and all statements of a transaction travel together.

mod batches;
mod dead;
mod events;
mod expiries;
mod follow_ups;
mod keys;
mod leases;
pub(crate) mod outcomes;
mod results;
mod retries;
mod tallies;
mod tried;

use std::future::Future;
use std::pin::Pin;

use deadpool_postgres::Transaction;
use flotilla_core::ItemIndex;
use flotilla_core::command::BatchEvent;
use flotilla_core::record::{BatchRecord, Writes};
use flotilla_core::result::BatchResult;
use futures_util::future::try_join_all;
use jiff::Timestamp;

use crate::error::Failure;

pub(crate) use batches::Kept;

/// A batch that changed, and what is to be written because of it.
#[derive(Debug)]
pub(crate) struct Change {
    /// The columns of its row as they were loaded.
    pub(crate) before: Kept,
    /// The batch as it is now.
    pub(crate) record: BatchRecord,
    /// What came of it. Its `changed` decides whether the counts are written.
    pub(crate) writes: Writes,
    /// Items that have an outcome now and had a row in `item_retries`.
    pub(crate) ended_retries: Vec<ItemIndex>,
}

impl Change {
    /// Of a batch of which no item moved.
    pub(crate) fn of_batch(
        before: Kept,
        record: BatchRecord,
        events: Vec<BatchEvent>,
        result: Option<BatchResult>,
    ) -> Self {
        Self {
            before,
            record,
            writes: Writes {
                events,
                result,
                changed: true,
                ..Writes::default()
            },
            ended_retries: Vec::new(),
        }
    }
}

type Write<'a> = Pin<Box<dyn Future<Output = Result<(), Failure>> + Send + 'a>>;

/// Writes all of `changes` in one flight.
pub(crate) async fn store(
    transaction: &Transaction<'_>,
    changes: &[Change],
    now: Timestamp,
) -> Result<(), Failure> {
    let outcomes = outcomes::Rows::of(changes, now);
    let dead = dead::Rows::of(changes);
    let (retries, ended_retries) = (retries::Rows::of(changes), keys::of_ended_retries(changes));
    let (leases, ended_leases) = (leases::Rows::of(changes), keys::of_ended_leases(changes));
    let tried = tried::Rows::of(changes);
    let (events, results) = (events::Rows::of(changes), results::Rows::of(changes)?);
    let expiries = expiries::Rows::of(changes);
    let follow_ups = follow_ups::Rows::of(changes);
    let (tallies, batches) = (tallies::Rows::of(changes)?, batches::Rows::of(changes)?);
    let mut writes: Vec<Write<'_>> = Vec::new();
    // In the order of the locks: rows of `batches` come last.
    macro_rules! write {
        ($rows:expr, $write:expr) => {
            if !$rows.is_empty() {
                writes.push(Box::pin($write));
            }
        };
    }
    write!(outcomes, outcomes.insert(transaction));
    write!(tried, tried.insert(transaction));
    write!(ended_retries, ended_retries.delete(transaction, retries::DELETE));
    write!(retries, retries.upsert(transaction));
    write!(ended_leases, ended_leases.delete(transaction, leases::DELETE));
    write!(leases, leases.upsert(transaction));
    write!(dead, dead.insert(transaction, now));
    write!(tallies, tallies.update(transaction));
    write!(batches, batches.update(transaction));
    write!(events, events.insert(transaction));
    write!(results, results.insert(transaction));
    write!(expiries, expiries.write(transaction));
    write!(follow_ups, follow_ups.insert(transaction));
    try_join_all(writes).await.map(drop)
}

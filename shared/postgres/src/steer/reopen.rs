//! Lets ended items of a batch run again.

use std::collections::BTreeSet;

use deadpool_postgres::Transaction;
use flotilla_core::command::{Actor, Selection};
use flotilla_core::item::ItemState;
use flotilla_core::ports::store::Reopened;
use flotilla_core::record::BatchRecord;
use flotilla_core::tally::{Ended, ErrorTally, MAX_ERROR_GROUPS};
use flotilla_core::{BatchId, Result, Space};
use futures_util::future::try_join4;
use jiff::Timestamp;
use tokio_postgres::Row;

use super::command::visible;
use crate::error::Failure;
use crate::lock;
use crate::rows::{bigint, count, get, integer, parsed, unsigned};
use crate::session::{Client, Operation, Plans};
use crate::writes::{self, Change, Kept};

/// Items that are worked on at once: what is held in memory, whatever the size of the batch.
const CHUNK: i64 = 5_000;

/// Outcomes in one state that are chosen. `$1`: batch, `$2`: state, `$3`: fingerprint or null, `$4`: indexes or null, `$5`:
/// only those with a dead letter.
macro_rules! chosen {
    ($select:literal, $tail:literal) => {
        concat!(
            "SELECT ",
            $select,
            " FROM batch_outcomes o
             WHERE o.batch_id = $1
               AND o.state = $2
               AND ($3::text IS NULL OR o.fingerprint = $3)
               AND ($4::integer[] IS NULL OR o.index = ANY($4))
               AND (NOT $5::boolean
                    OR EXISTS (SELECT FROM dead_letters l WHERE l.batch_id = $1 AND l.index = o.index)) ",
            $tail
        )
    };
}

/// The next ones after the index `$6`, `$7` of them.
macro_rules! next {
    ($tail:literal) => {
        chosen!(
            "o.index, o.state, o.attempt, o.duration_us, o.worker IS NOT NULL AS ran",
            $tail
        )
    };
}

const COUNT_SUCCEEDED: &str = chosen!("count(*) AS items", "");
const NEXT_SUCCEEDED: &str = next!("AND o.index > $6 ORDER BY o.index LIMIT $7");
// Few among many, and said so that their index is used.
const COUNT_OTHERS: &str = chosen!("count(*) AS items", "AND o.state <> 'succeeded'");
const NEXT_OTHERS: &str = next!("AND o.state <> 'succeeded' AND o.index > $6 ORDER BY o.index LIMIT $7");

const KEEP_ATTEMPTS: &str = include_str!("reopen/keep_attempts.sql");
const RETRY: &str = include_str!("reopen/retry.sql");
const ERRORS: &str = include_str!("reopen/errors.sql");
const DELETE_OUTCOMES: &str = "DELETE FROM batch_outcomes WHERE batch_id = $1 AND index = ANY($2)";
const DELETE_DEAD: &str = "DELETE FROM dead_letters WHERE batch_id = $1 AND index = ANY($2)";

pub(super) struct Reopen<'a> {
    pub(super) space: &'a Space,
    pub(super) batch: BatchId,
    pub(super) selection: &'a Selection,
    pub(super) dry_run: bool,
    pub(super) by: &'a Actor,
    pub(super) now: Timestamp,
}

impl Operation for Reopen<'_> {
    type Output = Reopened;
    const ATTEMPT: &'static str = "run items again";
    const PLANS: Plans = Plans::Fresh;

    async fn run(&self, client: &mut Client) -> Result<Reopened, Failure> {
        let transaction = client.transaction().await?;
        let row = lock::whole(&transaction, self.batch).await?;
        let Some((_, mut record)) = visible(row, self.space)? else {
            return Ok(Reopened::Unknown);
        };
        if let Err(forbidden) = record.may_reopen() {
            return Ok(Reopened::Forbidden(forbidden));
        }
        let chosen = Chosen::by(self.selection);
        if self.dry_run {
            let many = chosen.count(&transaction, self.batch).await?;
            return Ok(Reopened::Done(many, Box::new(record.seen_at(self.now))));
        }
        let before = Kept::of(&record);
        let many = self.take_back(&transaction, &chosen, &mut record).await?;
        if many > 0 {
            let groups = error_groups(&transaction, self.batch).await?;
            record.tally.detail.recount_errors(groups);
        }
        let Some(event) = record.reopened(many, self.by, self.now) else {
            return Ok(Reopened::Done(0, Box::new(record.seen_at(self.now))));
        };
        let change = Change::of_batch(before, record, vec![event], None);
        writes::store(&transaction, std::slice::from_ref(&change), self.now).await?;
        transaction.commit().await?;
        Ok(Reopened::Done(many, Box::new(change.record.seen_at(self.now))))
    }
}

impl Reopen<'_> {
    /// Chunk by chunk: from the counts, and from the tables. Answers how many items that were.
    async fn take_back(
        &self,
        transaction: &Transaction<'_>,
        chosen: &Chosen,
        record: &mut BatchRecord,
    ) -> Result<u32, Failure> {
        let mut many = 0_u32;
        for state in &chosen.states {
            let mut after = -1;
            loop {
                let rows = chosen.after(transaction, self.batch, state, after).await?;
                let mut chunk = Chunk::default();
                for row in &rows {
                    chunk.push(row, record)?;
                }
                let Some(&last) = chunk.indexes.last() else {
                    break;
                };
                chunk.store(transaction, self.batch, self.now).await?;
                many += unsigned::<_, u32>("index", rows.len())?;
                after = last;
            }
        }
        Ok(many)
    }
}

/// A selection as parameters.
struct Chosen {
    states: BTreeSet<&'static str>,
    fingerprint: Option<String>,
    indices: Option<Vec<i32>>,
    dead: bool,
}

impl Chosen {
    fn by(selection: &Selection) -> Self {
        let failed = [ItemState::Failed];
        let states = match &*selection.states {
            [] => &failed,
            states => states,
        };
        Self {
            // Only what has ended has an outcome.
            states: states.iter().map(|state| state.as_str()).collect(),
            fingerprint: selection.fingerprint.clone(),
            indices: selection
                .indices
                .as_ref()
                .map(|indices| indices.iter().copied().map(integer).collect()),
            dead: selection.dead,
        }
    }

    async fn count(&self, transaction: &Transaction<'_>, batch: BatchId) -> Result<u32, Failure> {
        let mut many = 0;
        for state in &self.states {
            let statement = match *state {
                "succeeded" => COUNT_SUCCEEDED,
                _ => COUNT_OTHERS,
            };
            let statement = transaction.prepare_cached(statement).await?;
            let row = transaction
                .query_one(
                    &statement,
                    &[&batch.0, state, &self.fingerprint, &self.indices, &self.dead],
                )
                .await?;
            many += unsigned::<_, u32>("items", get::<i64>(&row, "items")?)?;
        }
        Ok(many)
    }

    async fn after(
        &self,
        transaction: &Transaction<'_>,
        batch: BatchId,
        state: &str,
        after: i32,
    ) -> Result<Vec<Row>, Failure> {
        let statement = match state {
            "succeeded" => NEXT_SUCCEEDED,
            _ => NEXT_OTHERS,
        };
        let statement = transaction.prepare_cached(statement).await?;
        let rows = transaction
            .query(
                &statement,
                &[
                    &batch.0,
                    &state,
                    &self.fingerprint,
                    &self.indices,
                    &self.dead,
                    &after,
                    &CHUNK,
                ],
            )
            .await?;
        Ok(rows)
    }
}

/// Items that run again, as columns.
#[derive(Debug, Default)]
struct Chunk {
    indexes: Vec<i32>,
    attempts: Vec<i32>,
    last_attempts: Vec<i32>,
}

impl Chunk {
    fn push(&mut self, row: &Row, record: &mut BatchRecord) -> Result<(), Failure> {
        let ended = Ended {
            state: parsed(row, "state")?,
            attempt: unsigned("attempt", get::<i32>(row, "attempt")?)?,
            duration_us: unsigned("duration_us", get::<i64>(row, "duration_us")?)?,
            ran: get(row, "ran")?,
        };
        record.tally.reopen(&ended);
        let place = record.place_again(&ended);
        self.indexes.push(get(row, "index")?);
        self.attempts.push(place.attempt.into());
        self.last_attempts.push(place.last_attempt.into());
        Ok(())
    }

    /// A failed outcome is kept as an attempt that was followed by another, before it goes.
    async fn store(
        &self,
        transaction: &Transaction<'_>,
        batch: BatchId,
        now: Timestamp,
    ) -> Result<(), Failure> {
        let keep = transaction.prepare_cached(KEEP_ATTEMPTS).await?;
        let outcomes = transaction.prepare_cached(DELETE_OUTCOMES).await?;
        let dead = transaction.prepare_cached(DELETE_DEAD).await?;
        let retry = transaction.prepare_cached(RETRY).await?;
        let (_, deleted, _, _) = try_join4(
            transaction.execute(&keep, &[&batch.0, &self.indexes]),
            transaction.execute(&outcomes, &[&batch.0, &self.indexes]),
            transaction.execute(&dead, &[&batch.0, &self.indexes]),
            transaction.execute(
                &retry,
                &[&batch.0, &self.indexes, &self.attempts, &self.last_attempts, &now],
            ),
        )
        .await?;
        if deleted == self.indexes.len() as u64 {
            Ok(())
        } else {
            Err(Failure::Raced)
        }
    }
}

/// The error groups of the failures that are left: as many as are kept, and one of all the others.
async fn error_groups(
    transaction: &Transaction<'_>,
    batch: BatchId,
) -> Result<Vec<(String, ErrorTally)>, Failure> {
    let statement = transaction.prepare_cached(ERRORS).await?;
    let rows = transaction
        .query(&statement, &[&batch.0, &bigint(MAX_ERROR_GROUPS)])
        .await?;
    rows.iter()
        .map(|row| {
            let tally = ErrorTally {
                count: unsigned("items", get::<i64>(row, "items")?)?,
                sample: get(row, "sample")?,
                first: count(row, "first")?,
            };
            Ok((get(row, "fingerprint")?, tally))
        })
        .collect()
}

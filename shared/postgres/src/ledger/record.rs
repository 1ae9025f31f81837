//! Records what became of attempts: one transaction, whatever their number and whichever batches they belong to.

use std::collections::{BTreeSet, HashMap, HashSet};

use deadpool_postgres::Transaction;
use flotilla_core::attempt::Attempt;
use flotilla_core::batch::Batch;
use flotilla_core::ids::MAX_ITEMS;
use flotilla_core::place::Place;
use flotilla_core::record::BatchRecord;
use flotilla_core::{BatchId, ItemIndex, Result};
use futures_util::future::try_join3;
use jiff::Timestamp;
use uuid::Uuid;

use super::places::{self, AllKnown};
use crate::error::Failure;
use crate::rows::{integer, record, select_batches};
use crate::session::{Client, Operation};
use crate::writes::{self, Change, Kept};

/// One writer per batch at a time; in one order, so that writers of several batches don't wait for each other.
const LOCK: &str = "SELECT FROM batch_counters WHERE batch_id = ANY($1) ORDER BY batch_id FOR NO KEY UPDATE";

const LOAD: &str = select_batches!("WHERE b.id = ANY($1) ORDER BY b.id");

pub(super) struct Record(Recording);

impl Record {
    pub(super) fn new(attempts: Vec<Attempt>, now: Timestamp) -> Self {
        Self(Recording::new(attempts, now))
    }
}

impl Operation for Record {
    type Output = Vec<Batch>;
    const ATTEMPT: &'static str = "record attempts";

    async fn run(&self, client: &mut Client) -> Result<Vec<Batch>, Failure> {
        let transaction = client.transaction().await?;
        let recorded = self.0.run(&transaction, |_, _| true).await?;
        transaction.commit().await?;
        Ok(recorded.into_iter().map(|(batch, _)| batch).collect())
    }
}

/// Attempts to record, in whichever transaction.
pub(crate) struct Recording {
    attempts: Vec<Attempt>,
    batches: Vec<Uuid>,
    now: Timestamp,
}

impl Recording {
    pub(crate) fn new(mut attempts: Vec<Attempt>, now: Timestamp) -> Self {
        let batches: BTreeSet<Uuid> = attempts.iter().map(|attempt| attempt.batch.0).collect();
        // Where an index does not fit the column, there is no such item.
        attempts.retain(|attempt| attempt.index < MAX_ITEMS);
        Self {
            attempts,
            batches: batches.into_iter().collect(),
            now,
        }
    }

    /// Records those attempts that `fit` what is known of their item under the lock. Answers the batches, by id, and
    /// whether each of them changed.
    pub(crate) async fn run(
        &self,
        transaction: &Transaction<'_>,
        fit: impl Fn(&Attempt, &AllKnown) -> bool + Send,
    ) -> Result<Vec<(Batch, bool)>, Failure> {
        let (records, known) = self.load(transaction).await?;
        let mut by_batch: HashMap<BatchId, Vec<&Attempt>> = HashMap::new();
        for attempt in self.attempts.iter().filter(|attempt| fit(attempt, &known)) {
            by_batch.entry(attempt.batch).or_default().push(attempt);
        }
        let changes: Vec<Change> = records
            .into_iter()
            .map(|record| {
                let attempts = by_batch.remove(&record.id).unwrap_or_default();
                self.take(record, &attempts, &known)
            })
            .collect();
        writes::store(transaction, &changes, self.now).await?;
        Ok(changes
            .into_iter()
            .map(|change| (change.record.seen_at(self.now), change.writes.changed))
            .collect())
    }

    /// Three statements in one flight: the server runs them in this order, and each sees what was committed before the
    /// lock was granted.
    async fn load(&self, transaction: &Transaction<'_>) -> Result<(Vec<BatchRecord>, AllKnown), Failure> {
        let lock = transaction.prepare_cached(LOCK).await?;
        let load = transaction.prepare_cached(LOAD).await?;
        let places = transaction.prepare_cached(places::SELECT).await?;
        let (batches, indexes) = self.items();
        let (_, rows, known) = try_join3(
            async { Ok(transaction.execute(&lock, &[&self.batches]).await?) },
            async { Ok(transaction.query(&load, &[&self.batches]).await?) },
            places::load(transaction, &places, &batches, &indexes),
        )
        .await?;
        let records = rows.iter().map(record).collect::<Result<_, Failure>>()?;
        Ok((records, known))
    }

    /// The items that the attempts name, each once.
    fn items(&self) -> (Vec<Uuid>, Vec<i32>) {
        let mut seen = HashSet::with_capacity(self.attempts.len());
        self.attempts
            .iter()
            .filter(|attempt| seen.insert((attempt.batch, attempt.index)))
            .map(|attempt| (attempt.batch.0, integer(attempt.index)))
            .unzip()
    }

    fn take(&self, mut record: BatchRecord, attempts: &[&Attempt], known: &AllKnown) -> Change {
        let before = Kept::of(&record);
        let mut at: HashMap<ItemIndex, Place> = attempts
            .iter()
            .filter_map(|attempt| {
                let known = known.get(&(record.id, attempt.index));
                Some((attempt.index, places::place(&record, attempt.index, known)?))
            })
            .collect();
        let attempts = attempts.iter().copied().cloned();
        let writes = record.take(attempts, &mut at, self.now);
        let had_retry = |index: &ItemIndex| {
            known
                .get(&(record.id, *index))
                .is_some_and(places::Known::has_retry)
        };
        let ended_retries = writes
            .outcomes
            .iter()
            .map(|outcome| outcome.index)
            .filter(had_retry)
            .collect();
        Change {
            before,
            record,
            writes,
            ended_retries,
        }
    }
}

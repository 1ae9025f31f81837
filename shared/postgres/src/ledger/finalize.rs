//! Writes counts back, and ends batches with their last outcome. The caller holds the locks of their counters.

use deadpool_postgres::Transaction;
use flotilla_core::{BatchState, Result};
use futures_util::future::try_join;
use jiff::Timestamp;
use uuid::Uuid;

use crate::error::Failure;
use crate::rows::{StoredBatch, bigint, integer};

const SAVE: &str = "\
    UPDATE batch_counters c
    SET version = t.version, retrying = t.retrying, waiting = t.waiting, succeeded = t.succeeded, failed = t.failed,
        cancelled = t.cancelled, detail = t.detail
    FROM unnest($1::uuid[], $2::bigint[], $3::integer[], $4::integer[], $5::integer[], $6::integer[], $7::integer[],
                $8::text[])
         AS t (batch_id, version, retrying, waiting, succeeded, failed, cancelled, detail)
    WHERE c.batch_id = t.batch_id";

/// The state is compared and set: whatever changed it meanwhile, no batch ends twice.
const END: &str = "\
    UPDATE batches b
    SET state = t.after, completed_at = $4
    FROM unnest($1::uuid[], $2::text[], $3::text[]) AS t (id, before, after)
    WHERE b.id = t.id AND b.state = t.before";

const INSERT_RESULTS: &str = "\
    INSERT INTO batch_results (batch_id, revision, space, result, created_at)
    SELECT r.batch_id, r.revision, r.space, r.result::json, $5
    FROM unnest($1::uuid[], $2::integer[], $3::text[], $4::text[]) AS r (batch_id, revision, space, result)
    ON CONFLICT DO NOTHING";

/// Writes the counts of `batches`.
pub(crate) async fn save_tallies(
    transaction: &Transaction<'_>,
    batches: &[&StoredBatch],
) -> Result<(), Failure> {
    let column = |get: fn(&StoredBatch) -> u32| -> Vec<i32> {
        batches.iter().map(|batch| integer(get(batch))).collect()
    };
    let ids: Vec<Uuid> = batches.iter().map(|batch| batch.id.0).collect();
    let versions: Vec<i64> = batches.iter().map(|batch| bigint(batch.tally.version)).collect();
    let details: Vec<String> = batches
        .iter()
        .map(|batch| serde_json::to_string(&batch.tally.detail))
        .collect::<serde_json::Result<_>>()
        .map_err(|error| Failure::Corrupt(format!("the counts have no JSON form: {error}")))?;
    let statement = transaction.prepare_cached(SAVE).await?;
    let rows = transaction
        .execute(
            &statement,
            &[
                &ids,
                &versions,
                &column(|batch| batch.tally.retrying),
                &column(|batch| batch.tally.waiting),
                &column(|batch| batch.tally.succeeded),
                &column(|batch| batch.tally.failed),
                &column(|batch| batch.tally.cancelled),
                &details,
            ],
        )
        .await?;
    if rows == batches.len() as u64 {
        Ok(())
    } else {
        Err(Failure::Raced)
    }
}

/// Ends those of `batches` whose items all have an outcome: state, time and result.
pub(crate) async fn finish(
    transaction: &Transaction<'_>,
    batches: &mut [&mut StoredBatch],
    now: Timestamp,
) -> Result<(), Failure> {
    let mut ending = Ending::default();
    for batch in batches
        .iter_mut()
        .filter(|batch| batch.tally.settled() >= batch.total)
    {
        if let Ok(after) = batch.state.finish() {
            ending.push(batch, after, now)?;
            batch.state = after;
            batch.completed_at = Some(now);
        }
    }
    if ending.ids.is_empty() {
        return Ok(());
    }
    ending.store(transaction, now).await
}

/// Batches that end, as columns.
#[derive(Default)]
struct Ending {
    ids: Vec<Uuid>,
    before: Vec<&'static str>,
    after: Vec<&'static str>,
    revisions: Vec<i32>,
    spaces: Vec<String>,
    results: Vec<String>,
}

impl Ending {
    fn push(&mut self, batch: &StoredBatch, after: BatchState, now: Timestamp) -> Result<(), Failure> {
        let result = batch.tally.result(batch.id, batch.total, batch.created_at, now);
        let text = serde_json::to_string(&result)
            .map_err(|error| Failure::Corrupt(format!("the result has no JSON form: {error}")))?;
        self.ids.push(batch.id.0);
        self.before.push(batch.state.as_str());
        self.after.push(after.as_str());
        self.revisions.push(integer(result.revision));
        self.spaces.push(batch.space.as_str().to_owned());
        self.results.push(text);
        Ok(())
    }

    async fn store(&self, transaction: &Transaction<'_>, now: Timestamp) -> Result<(), Failure> {
        let end = transaction.prepare_cached(END).await?;
        let insert = transaction.prepare_cached(INSERT_RESULTS).await?;
        let (ended, _) = try_join(
            transaction.execute(&end, &[&self.ids, &self.before, &self.after, &now]),
            transaction.execute(
                &insert,
                &[&self.ids, &self.revisions, &self.spaces, &self.results, &now],
            ),
        )
        .await?;
        if ended == self.ids.len() as u64 {
            Ok(())
        } else {
            Err(Failure::Raced)
        }
    }
}

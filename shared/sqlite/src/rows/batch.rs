//! A batch with its counters, as the verbs change it.

use std::time::Duration;

use flotilla_core::batch::{Batch, BatchSpec, BatchState};
use flotilla_core::ids::{BatchId, Space};
use flotilla_core::result::BatchResult;
use flotilla_core::tally::{Tally, TallyDetail};
use jiff::Timestamp;
use rusqlite::types::{FromSqlError, Type};
use rusqlite::{Connection, OptionalExtension, Row, ToSql, named_params};

use super::text::{Raw, Text};
use crate::error::Done;
use crate::keys::{Id, Micros, Number, signed, time, unsigned};

/// A batch as its three rows say.
pub(crate) struct BatchRow {
    pub(crate) number: Number,
    pub(crate) id: BatchId,
    pub(crate) space: Space,
    pub(crate) spec: BatchSpec,
    pub(crate) state: BatchState,
    pub(crate) total: u32,
    pub(crate) max_input_bytes: u32,
    pub(crate) next_index: u32,
    pub(crate) tally: Tally,
    pub(crate) created_at: Timestamp,
    pub(crate) started_at: Option<Timestamp>,
    pub(crate) completed_at: Option<Timestamp>,
    pub(crate) error: Option<String>,
}

/// The rows of a batch belong together: they are made and removed in one transaction.
const SELECT: &str = "
    SELECT * FROM batches
    JOIN batch_counters ON batch_counters.batch = batches.number
    JOIN batch_dispatch ON batch_dispatch.batch = batches.number";

impl BatchRow {
    /// The batch with this id, of any space: for verbs, whose callers have checked whose it is.
    pub(crate) fn load(db: &Connection, id: BatchId) -> Done<Option<Self>> {
        let mut statement = db.prepare_cached(&format!("{SELECT} WHERE id = ?1"))?;
        Ok(statement.query_row([Id(id)], Self::read).optional()?)
    }

    /// The batches that `rest`, a `WHERE` clause and what follows it, finds.
    pub(crate) fn select(db: &Connection, rest: &str, parameters: &[(&str, &dyn ToSql)]) -> Done<Vec<Self>> {
        let mut statement = db.prepare_cached(&format!("{SELECT} {rest}"))?;
        let rows = statement.query_map(parameters, Self::read)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            number: row.get("number")?,
            id: row.get::<_, Id>("id")?.0,
            space: row.get::<_, Text<_>>("space")?.0,
            spec: spec(row)?,
            state: row.get::<_, Text<_>>("state")?.0,
            total: row.get("total")?,
            max_input_bytes: row.get("max_input_bytes")?,
            next_index: row.get("next_index")?,
            tally: tally(row)?,
            created_at: row.get::<_, Micros>("created_at")?.0,
            started_at: time(row, "started_at")?,
            completed_at: time(row, "completed_at")?,
            error: row.get("error")?,
        })
    }

    /// As it reads at `now`.
    pub(crate) fn into_batch(self, now: Timestamp) -> Batch {
        let (rate_per_s, eta) = self
            .tally
            .speed(self.total, self.started_at, self.completed_at, now);
        Batch {
            id: self.id,
            space: self.space,
            spec: self.spec,
            state: self.state,
            version: self.tally.version,
            counts: self.tally.counts(self.total, self.next_index),
            rate_per_s,
            eta,
            max_input_bytes: self.max_input_bytes,
            created_at: self.created_at,
            started_at: self.started_at,
            completed_at: self.completed_at,
            error: self.error,
        }
    }

    /// How many more items may be in flight.
    pub(crate) fn room(&self) -> u32 {
        let in_flight = self.tally.in_flight(self.next_index);
        self.spec
            .concurrency
            .map_or(u32::MAX, |most| most.saturating_sub(in_flight))
    }

    /// Writes its state and the times that go with it.
    pub(crate) fn save_state(&self, db: &Connection) -> Done<()> {
        let sql = "UPDATE batches SET state = ?2, started_at = ?3, completed_at = ?4 WHERE number = ?1";
        let (started_at, completed_at) = (self.started_at.map(Micros), self.completed_at.map(Micros));
        db.prepare_cached(sql)?
            .execute((self.number, self.state.as_str(), started_at, completed_at))?;
        Ok(())
    }

    /// Writes its counters.
    pub(crate) fn save_tally(&self, db: &Connection) -> Done<()> {
        let sql = "
            UPDATE batch_counters
            SET version = :version, retrying = :retrying, waiting = :waiting, succeeded = :succeeded, failed = :failed,
                cancelled = :cancelled, detail = :detail
            WHERE batch = :batch";
        let Tally {
            version,
            retrying,
            waiting,
            succeeded,
            failed,
            cancelled,
            detail,
        } = &self.tally;
        db.prepare_cached(sql)?.execute(named_params! {
            ":batch": self.number,
            ":version": signed(*version),
            ":retrying": retrying,
            ":waiting": waiting,
            ":succeeded": succeeded,
            ":failed": failed,
            ":cancelled": cancelled,
            ":detail": serde_json::to_string(detail)?,
        })?;
        Ok(())
    }

    /// Writes the counters that a dispatch moves, and not the long rest of them.
    pub(crate) fn save_dispatch(&self, db: &Connection) -> Done<()> {
        let counters = "UPDATE batch_counters SET version = ?2, retrying = ?3 WHERE batch = ?1";
        let version = signed(self.tally.version);
        db.prepare_cached(counters)?
            .execute((self.number, version, self.tally.retrying))?;
        let cursor = "UPDATE batch_dispatch SET next_index = ?2 WHERE batch = ?1";
        db.prepare_cached(cursor)?
            .execute((self.number, self.next_index))?;
        Ok(())
    }

    /// Ends it where its last item is settled: state and result, in the transaction of that item's outcome.
    pub(crate) fn finish_if_settled(&mut self, db: &Connection, now: Timestamp) -> Done<()> {
        if self.tally.settled() == self.total
            && let Ok(end) = self.state.finish()
        {
            self.end(db, end, now)?;
        }
        Ok(())
    }

    /// Ends it in `state`.
    pub(crate) fn end(&mut self, db: &Connection, state: BatchState, now: Timestamp) -> Done<()> {
        (self.state, self.completed_at) = (state, Some(now));
        self.save_state(db)?;
        let result = self.tally.result(self.id, self.total, self.created_at, now);
        insert_result(db, self.number, &result)
    }
}

fn insert_result(db: &Connection, batch: Number, result: &BatchResult) -> Done<()> {
    let sql = "INSERT INTO batch_results (batch, revision, result, created_at) VALUES (?1, ?2, ?3, ?4)";
    let (json, created_at) = (serde_json::to_string(result)?, Micros(result.created_at));
    db.prepare_cached(sql)?
        .execute((batch, result.revision, json, created_at))?;
    Ok(())
}

fn spec(row: &Row<'_>) -> rusqlite::Result<BatchSpec> {
    Ok(BatchSpec {
        name: row.get("name")?,
        job_type: row.get("job_type")?,
        pool: row.get::<_, Text<_>>("pool")?.0,
        priority: row.get("priority")?,
        concurrency: row.get("concurrency")?,
        max_attempts: row.get("max_attempts")?,
        timeout: Duration::from_millis(unsigned(row.get("timeout_ms")?)),
        metadata: row.get::<_, Option<Raw>>("metadata")?.map(|Raw(json)| json),
        traceparent: row.get("traceparent")?,
    })
}

fn tally(row: &Row<'_>) -> rusqlite::Result<Tally> {
    let detail: TallyDetail = serde_json::from_str(row.get_ref("detail")?.as_str().map_err(not_ours)?)
        .map_err(|error| not_ours(FromSqlError::other(error)))?;
    Ok(Tally {
        version: unsigned(row.get("version")?),
        retrying: row.get("retrying")?,
        waiting: row.get("waiting")?,
        succeeded: row.get("succeeded")?,
        failed: row.get("failed")?,
        cancelled: row.get("cancelled")?,
        detail,
    })
}

fn not_ours(error: FromSqlError) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(0, Type::Text, Box::new(error))
}

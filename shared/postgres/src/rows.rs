//! Between rows and the types of the domain.

use std::borrow::Cow;
use std::time::Duration;

use flotilla_core::batch::{Batch, BatchSpec};
use flotilla_core::ids::BatchId;
use flotilla_core::tally::Tally;
use flotilla_core::{BatchState, Json, Space};
use jiff::Timestamp;
use tokio_postgres::Row;
use tokio_postgres::types::FromSql;
use uuid::Uuid;

use crate::error::Failure;

/// The columns of `batches b` that [`spec`] reads.
macro_rules! spec_columns {
    () => {
        "b.name, b.job_type, b.pool, b.priority, b.concurrency, b.max_attempts, b.timeout_ms, b.metadata, b.traceparent"
    };
}

/// A query for whole batches, as [`StoredBatch`] reads them; what follows the joins is appended.
macro_rules! select_batches {
    ($tail:literal) => {
        concat!(
            "SELECT b.id, b.space, b.state, b.total, b.max_input_bytes, b.created_at, b.started_at, b.completed_at, \
             b.error, ",
            $crate::rows::spec_columns!(),
            ", c.version, c.retrying, c.waiting, c.succeeded, c.failed, c.cancelled, c.detail, d.next_index, \
             now() AS read_at \
             FROM batches b \
             JOIN batch_counters c ON c.batch_id = b.id \
             JOIN batch_dispatch d ON d.batch_id = b.id ",
            $tail
        )
    };
}

pub(crate) use {select_batches, spec_columns};

/// A batch as the tables hold it.
#[derive(Debug, Clone)]
pub(crate) struct StoredBatch {
    pub(crate) id: BatchId,
    pub(crate) space: Space,
    pub(crate) spec: BatchSpec,
    pub(crate) state: BatchState,
    pub(crate) total: u32,
    pub(crate) next_index: u32,
    pub(crate) tally: Tally,
    pub(crate) max_input_bytes: u32,
    pub(crate) created_at: Timestamp,
    pub(crate) started_at: Option<Timestamp>,
    pub(crate) completed_at: Option<Timestamp>,
    pub(crate) error: Option<String>,
    /// When it was read, by the server's clock.
    pub(crate) read_at: Timestamp,
}

impl StoredBatch {
    /// Reads a row of [`select_batches`].
    pub(crate) fn read(row: &Row) -> Result<Self, Failure> {
        Ok(Self {
            id: batch_id(row, "id")?,
            space: parsed(row, "space")?,
            spec: spec(row)?,
            state: parsed(row, "state")?,
            total: count(row, "total")?,
            next_index: count(row, "next_index")?,
            tally: Tally {
                detail: serde_json::from_str(get(row, "detail")?)
                    .map_err(|error| corrupt("detail", error))?,
                ..counters(row)?
            },
            max_input_bytes: count(row, "max_input_bytes")?,
            created_at: get(row, "created_at")?,
            started_at: get(row, "started_at")?,
            completed_at: get(row, "completed_at")?,
            error: get(row, "error")?,
            read_at: get(row, "read_at")?,
        })
    }

    /// As readers see it at `now`.
    pub(crate) fn seen_at(self, now: Timestamp) -> Batch {
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

    /// As readers see it at the time of the read.
    pub(crate) fn into_batch(self) -> Batch {
        let now = self.read_at;
        self.seen_at(now)
    }
}

/// Reads rows of [`select_batches`] that nobody is about to change.
pub(crate) fn batches(rows: &[Row]) -> Result<Vec<Batch>, Failure> {
    rows.iter()
        .map(|row| StoredBatch::read(row).map(StoredBatch::into_batch))
        .collect()
}

/// Reads [`spec_columns`].
pub(crate) fn spec(row: &Row) -> Result<BatchSpec, Failure> {
    let concurrency: Option<i64> = get(row, "concurrency")?;
    let metadata: Option<String> = get(row, "metadata")?;
    Ok(BatchSpec {
        name: get(row, "name")?,
        job_type: get(row, "job_type")?,
        pool: parsed(row, "pool")?,
        priority: get(row, "priority")?,
        concurrency: concurrency.map(|n| unsigned("concurrency", n)).transpose()?,
        max_attempts: unsigned("max_attempts", get::<i32>(row, "max_attempts")?)?,
        timeout: Duration::from_millis(unsigned("timeout_ms", get::<i64>(row, "timeout_ms")?)?),
        metadata: metadata.map(|text| json("metadata", text)).transpose()?,
        traceparent: get(row, "traceparent")?,
    })
}

/// Reads the columns of `batch_counters` but `detail`.
pub(crate) fn counters(row: &Row) -> Result<Tally, Failure> {
    Ok(Tally {
        version: unsigned("version", get::<i64>(row, "version")?)?,
        retrying: count(row, "retrying")?,
        waiting: count(row, "waiting")?,
        succeeded: count(row, "succeeded")?,
        failed: count(row, "failed")?,
        cancelled: count(row, "cancelled")?,
        ..Tally::default()
    })
}

/// A column by name.
pub(crate) fn get<'a, T: FromSql<'a>>(row: &'a Row, column: &str) -> Result<T, Failure> {
    row.try_get(column).map_err(|error| corrupt(column, error))
}

/// A column of a count or an index.
pub(crate) fn count(row: &Row, column: &str) -> Result<u32, Failure> {
    unsigned(column, get::<i32>(row, column)?)
}

/// A column with the id of a batch.
pub(crate) fn batch_id(row: &Row, column: &str) -> Result<BatchId, Failure> {
    get::<Uuid>(row, column).map(BatchId)
}

/// A column with a name or a state.
pub(crate) fn parsed<T>(row: &Row, column: &str) -> Result<T, Failure>
where
    T: std::str::FromStr<Err: std::fmt::Display>,
{
    get::<&str>(row, column)?
        .parse()
        .map_err(|error| corrupt(column, error))
}

/// A number that is never negative.
pub(crate) fn unsigned<S, T>(column: &str, number: S) -> Result<T, Failure>
where
    T: TryFrom<S, Error: std::fmt::Display>,
{
    T::try_from(number).map_err(|error| corrupt(column, error))
}

/// JSON that was valid when it was stored.
pub(crate) fn json(column: &str, text: String) -> Result<Json, Failure> {
    Json::parse(text).map_err(|error| corrupt(column, error))
}

/// A column that no version of Flotilla wrote.
pub(crate) fn corrupt(column: &str, error: impl std::fmt::Display) -> Failure {
    Failure::Corrupt(format!("the column {column} can't be read: {error}"))
}

/// A number for an `integer` column. Larger ones are at the bound, where no index or limit can tell the difference.
pub(crate) fn integer(number: u32) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}

/// A number for a `bigint` column, at most its bound.
pub(crate) fn bigint(number: impl TryInto<i64>) -> i64 {
    number.try_into().unwrap_or(i64::MAX)
}

/// Text without the one character that PostgreSQL can't hold. For what workers send: a report that can't be stored would
/// be delivered again for ever.
pub(crate) fn storable(text: &str) -> Cow<'_, str> {
    if text.contains('\0') {
        Cow::Owned(text.replace('\0', ""))
    } else {
        Cow::Borrowed(text)
    }
}

/// A time within PostgreSQL's range, which begins later than this program's.
pub(crate) fn storable_time(time: Timestamp) -> Timestamp {
    time.max(YEAR_1)
}

const YEAR_1: Timestamp = Timestamp::constant(-62_135_596_800, 0);

//! Between rows and the types of the domain.

use std::borrow::Cow;
use std::time::Duration;

use flotilla_core::batch::{Batch, BatchSpec, FailureThreshold, Start};
use flotilla_core::follow_up::OnComplete;
use flotilla_core::ids::BatchId;
use flotilla_core::outcome::{ItemError, ItemErrorKind};
use flotilla_core::record::BatchRecord;
use flotilla_core::retention::Retention;
use flotilla_core::retry::Backoff;
use flotilla_core::tally::Tally;
use flotilla_core::{Json, WorkerId};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio_postgres::Row;
use tokio_postgres::types::FromSql;
use uuid::Uuid;

use crate::error::Failure;

/// The columns of `batches b` that [`spec`] reads.
macro_rules! spec_columns {
    () => {
        "b.name, b.job_type, b.pool, b.priority, b.concurrency, b.rate_per_s, b.start_mode, b.start_at, \
         b.max_attempts, b.timeout_ms, b.deadline, b.canary, b.options, b.metadata, b.traceparent"
    };
}

/// How many items `batches b` has. Of one that stays open, those of an append that has not ended do not count.
macro_rules! total {
    () => {
        "CASE WHEN b.state = 'open' AND b.stays_open THEN b.appended ELSE b.total END"
    };
}

/// A query for whole batches, as [`record`] reads them; what follows the joins is appended.
///
/// The previous version ends batches without counting their results: what ended has one.
macro_rules! select_batches {
    ($tail:literal) => {
        concat!(
            "SELECT b.id, b.space, b.state, ",
            $crate::rows::total!(),
            " AS total, b.skipped, b.control, b.epoch, \
             CASE WHEN b.revision = 0 AND b.completed_at IS NOT NULL THEN 1 ELSE b.revision END AS revision, \
             b.max_input_bytes, b.created_at, b.started_at, b.halted_at, b.completed_at, b.deleted_at, b.error, ",
            $crate::rows::spec_columns!(),
            ", c.version, c.retrying, c.returned, c.waiting, c.succeeded, c.failed, c.cancelled, c.detail, \
             d.next_index, b.stays_open, b.append_ms, b.last_append_at, now() AS read_at \
             FROM batches b \
             JOIN batch_counters c ON c.batch_id = b.id \
             JOIN batch_dispatch d ON d.batch_id = b.id ",
            $tail
        )
    };
}

pub(crate) use {select_batches, spec_columns, total};

/// What a batch is to do that no query looks into, as one JSON text.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct Options {
    backoff: Backoff,
    #[serde(skip_serializing_if = "Option::is_none")]
    callback_timeout_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    failure_threshold: Option<FailureThreshold>,
    #[serde(skip_serializing_if = "Option::is_none")]
    deduplicate_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_hash: Option<String>,
    #[serde(skip_serializing_if = "Retention::is_empty")]
    retention: Retention,
    #[serde(skip_serializing_if = "Option::is_none")]
    on_complete: Option<Box<OnComplete>>,
}

/// The text of the column `options`.
pub(crate) fn options(spec: &BatchSpec) -> Result<String, Failure> {
    text_of(
        "options",
        &Options {
            backoff: spec.backoff,
            callback_timeout_ms: spec.callback_timeout.map(millis),
            failure_threshold: spec.failure_threshold,
            deduplicate_ms: spec.deduplicate.map(millis),
            request_hash: spec.request_hash.clone(),
            retention: spec.retention,
            on_complete: spec.on_complete.clone(),
        },
    )
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// Reads a row of [`select_batches`].
pub(crate) fn record(row: &Row) -> Result<BatchRecord, Failure> {
    Ok(BatchRecord {
        id: batch_id(row, "id")?,
        space: parsed(row, "space")?,
        spec: spec(row)?,
        state: parsed(row, "state")?,
        control: value(row, "control")?,
        epoch: count(row, "epoch")?,
        revision: count(row, "revision")?,
        total: count(row, "total")?,
        skipped: count(row, "skipped")?,
        next_index: count(row, "next_index")?,
        tally: Tally {
            detail: value(row, "detail")?,
            ..counters(row)?
        },
        max_input_bytes: count(row, "max_input_bytes")?,
        created_at: get(row, "created_at")?,
        started_at: get(row, "started_at")?,
        halted_at: get(row, "halted_at")?,
        completed_at: get(row, "completed_at")?,
        deleted_at: get(row, "deleted_at")?,
        error: get(row, "error")?,
    })
}

/// Reads a row of [`select_batches`] that nobody is about to change: as readers see it at the time of the read, by the
/// server's clock.
pub(crate) fn batch(row: &Row) -> Result<Batch, Failure> {
    Ok(record(row)?.seen_at(get(row, "read_at")?))
}

/// The same for several rows.
pub(crate) fn batches(rows: &[Row]) -> Result<Vec<Batch>, Failure> {
    rows.iter().map(batch).collect()
}

/// Reads [`spec_columns`].
pub(crate) fn spec(row: &Row) -> Result<BatchSpec, Failure> {
    let metadata: Option<String> = get(row, "metadata")?;
    let options: Options = value(row, "options")?;
    Ok(BatchSpec {
        name: get(row, "name")?,
        job_type: get(row, "job_type")?,
        pool: parsed(row, "pool")?,
        priority: get(row, "priority")?,
        concurrency: limit(row, "concurrency")?,
        rate_per_s: get(row, "rate_per_s")?,
        start: start(row)?,
        max_attempts: unsigned("max_attempts", get::<i32>(row, "max_attempts")?)?,
        backoff: options.backoff,
        timeout: Duration::from_millis(unsigned("timeout_ms", get::<i64>(row, "timeout_ms")?)?),
        callback_timeout: options.callback_timeout_ms.map(Duration::from_millis),
        deadline: get(row, "deadline")?,
        failure_threshold: options.failure_threshold,
        canary: limit(row, "canary")?,
        deduplicate: options.deduplicate_ms.map(Duration::from_millis),
        retention: options.retention,
        on_complete: options.on_complete,
        metadata: metadata.map(|text| json("metadata", text)).transpose()?,
        traceparent: get(row, "traceparent")?,
        request_hash: options.request_hash,
    })
}

/// Reads `start_mode` and `start_at`.
pub(crate) fn start(row: &Row) -> Result<Start, Failure> {
    match get(row, "start_mode")? {
        "auto" => Ok(Start::Auto),
        "manual" => Ok(Start::Manual),
        "at" => Ok(Start::At(get(row, "start_at")?)),
        other => Err(corrupt("start_mode", other)),
    }
}

/// The columns `start_mode` and `start_at`.
pub(crate) fn start_columns(start: Start) -> (&'static str, Option<Timestamp>) {
    match start {
        Start::Auto => ("auto", None),
        Start::Manual => ("manual", None),
        Start::At(time) => ("at", Some(storable_time(time))),
    }
}

/// Reads the columns of `batch_counters` but `detail`.
pub(crate) fn counters(row: &Row) -> Result<Tally, Failure> {
    Ok(Tally {
        version: unsigned("version", get::<i64>(row, "version")?)?,
        retrying: count(row, "retrying")?,
        returned: count(row, "returned")?,
        waiting: count(row, "waiting")?,
        succeeded: count(row, "succeeded")?,
        failed: count(row, "failed")?,
        cancelled: count(row, "cancelled")?,
        ..Tally::default()
    })
}

/// A limit, where there is one.
pub(crate) fn limit(row: &Row, column: &str) -> Result<Option<u32>, Failure> {
    let limit: Option<i64> = get(row, column)?;
    limit.map(|limit| unsigned(column, limit)).transpose()
}

/// A column of JSON text that Flotilla wrote.
pub(crate) fn value<'a, T: Deserialize<'a>>(row: &'a Row, column: &str) -> Result<T, Failure> {
    serde_json::from_str(get(row, column)?).map_err(|error| corrupt(column, error))
}

/// A value for a column of JSON text.
pub(crate) fn text_of(what: &str, value: &impl Serialize) -> Result<String, Failure> {
    serde_json::to_string(value)
        .map_err(|error| Failure::Corrupt(format!("{what} has no JSON form: {error}")))
}

/// Reads `error_kind` and `error_message`.
pub(crate) fn error(row: &Row) -> Result<Option<ItemError>, Failure> {
    let Some(kind) = get::<Option<&str>>(row, "error_kind")? else {
        return Ok(None);
    };
    let kind: ItemErrorKind = serde_json::from_value(kind.into())
        .map_err(|error: serde_json::Error| corrupt("error_kind", error))?;
    Ok(Some(ItemError {
        kind,
        message: get(row, "error_message")?,
    }))
}

/// Reads `worker`.
pub(crate) fn worker(row: &Row) -> Result<Option<WorkerId>, Failure> {
    let worker: Option<&str> = get(row, "worker")?;
    Ok(worker.map(|name| WorkerId(name.into())))
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

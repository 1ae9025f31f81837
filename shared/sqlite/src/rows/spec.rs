//! What a batch is to do, in columns.

use std::time::Duration;

use flotilla_core::batch::{BatchSpec, FailureThreshold, Start};
use flotilla_core::follow_up::OnComplete;
use flotilla_core::retention::Retention;
use flotilla_core::retry::Backoff;
use jiff::Timestamp;
use rusqlite::{Connection, Row, named_params};
use serde::{Deserialize, Serialize};

use super::text::{Raw, Text, json};
use crate::error::Done;
use crate::keys::{Micros, Number, time, unsigned};

/// What no query looks into, as one JSON text. Durations are in milliseconds.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct Options {
    #[serde(skip_serializing_if = "Option::is_none")]
    backoff: Option<Backoff>,
    #[serde(skip_serializing_if = "Option::is_none")]
    callback_timeout_ms: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    failure_threshold: Option<FailureThreshold>,
    #[serde(skip_serializing_if = "Option::is_none")]
    deduplicate_ms: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_hash: Option<String>,
    #[serde(skip_serializing_if = "Retention::is_empty")]
    retention: Retention,
    #[serde(skip_serializing_if = "Option::is_none")]
    on_complete: Option<Box<OnComplete>>,
}

/// Reads the columns.
pub(super) fn read(row: &Row<'_>) -> rusqlite::Result<BatchSpec> {
    let options: Options = json(row, "options")?;
    Ok(BatchSpec {
        name: row.get("name")?,
        job_type: row.get("job_type")?,
        pool: row.get::<_, Text<_>>("pool")?.0,
        priority: row.get("priority")?,
        concurrency: row.get("concurrency")?,
        rate_per_s: row.get("rate_per_s")?,
        start: start(row)?,
        max_attempts: row.get("max_attempts")?,
        backoff: options.backoff.unwrap_or_default(),
        timeout: Duration::from_millis(unsigned(row.get("timeout_ms")?)),
        callback_timeout: options.callback_timeout_ms.map(from_millis),
        deadline: time(row, "deadline")?,
        failure_threshold: options.failure_threshold,
        canary: row.get("canary")?,
        deduplicate: options.deduplicate_ms.map(from_millis),
        retention: options.retention,
        on_complete: options.on_complete,
        metadata: row.get::<_, Option<Raw>>("metadata")?.map(|Raw(json)| json),
        traceparent: row.get("traceparent")?,
        request_hash: options.request_hash,
    })
}

fn start(row: &Row<'_>) -> rusqlite::Result<Start> {
    let mode = row.get_ref("start_mode")?;
    Ok(match mode.as_str()? {
        "manual" => Start::Manual,
        "at" => Start::At(time(row, "start_at")?.unwrap_or(Timestamp::MAX)),
        _ => Start::Auto,
    })
}

/// Writes the columns.
pub(super) fn save(db: &Connection, number: Number, spec: &BatchSpec) -> Done<()> {
    let sql = "
        UPDATE batches
        SET name = :name, job_type = :job_type, pool = :pool, priority = :priority, concurrency = :concurrency,
            rate_per_s = :rate_per_s, start_mode = :start_mode, start_at = :start_at, max_attempts = :max_attempts,
            timeout_ms = :timeout_ms, deadline = :deadline, canary = :canary, options = :options,
            metadata = :metadata, traceparent = :traceparent
        WHERE number = :number";
    let (start, start_at) = match spec.start {
        Start::Auto => ("auto", None),
        Start::Manual => ("manual", None),
        Start::At(time) => ("at", Some(Micros(time))),
    };
    let options = Options {
        backoff: (spec.backoff != Backoff::default()).then_some(spec.backoff),
        callback_timeout_ms: spec.callback_timeout.map(millis),
        failure_threshold: spec.failure_threshold,
        deduplicate_ms: spec.deduplicate.map(millis),
        request_hash: spec.request_hash.clone(),
        retention: spec.retention,
        on_complete: spec.on_complete.clone(),
    };
    db.prepare_cached(sql)?.execute(named_params! {
        ":number": number,
        ":name": spec.name,
        ":job_type": spec.job_type,
        ":pool": spec.pool.as_str(),
        ":priority": spec.priority,
        ":concurrency": spec.concurrency,
        ":rate_per_s": spec.rate_per_s,
        ":start_mode": start,
        ":start_at": start_at,
        ":max_attempts": spec.max_attempts,
        ":timeout_ms": millis(spec.timeout),
        ":deadline": spec.deadline.map(Micros),
        ":canary": spec.canary,
        ":options": serde_json::to_string(&options)?,
        ":metadata": spec.metadata.as_ref().map(|json| json.as_str()),
        ":traceparent": spec.traceparent,
    })?;
    Ok(())
}

/// Back from [`millis`].
fn from_millis(ms: i64) -> Duration {
    Duration::from_millis(unsigned(ms))
}

/// A time limit as it is stored.
pub(crate) fn millis(timeout: Duration) -> i64 {
    i64::try_from(timeout.as_millis()).unwrap_or(i64::MAX)
}

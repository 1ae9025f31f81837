//! A [`WorkerStatus`] as the fields of its hash: the table in `docs/redis.md`. Lists are JSON.

use flotilla_core::WorkerId;
use flotilla_core::worker::WorkerStatus;

use crate::fields::{Fields, Unreadable, Written};

/// The fields of `worker`.
pub(crate) fn write(worker: &WorkerStatus) -> serde_json::Result<Written> {
    Ok(vec![
        ("id", worker.id.to_string()),
        ("pools", serde_json::to_string(&worker.pools)?),
        ("concurrency", worker.concurrency.to_string()),
        ("running", serde_json::to_string(&worker.running)?),
        ("held", worker.held.to_string()),
        ("holding", serde_json::to_string(&worker.holding)?),
        ("doing", serde_json::to_string(&worker.doing)?),
        ("draining", worker.draining.to_string()),
        ("started_at", worker.started_at.to_string()),
        ("seen_at", worker.seen_at.to_string()),
        ("version", worker.version.clone()),
    ])
}

/// The worker that `fields` hold. Versions that did not know of them wrote no `holding`, no
/// `doing`, no `draining`.
pub(crate) fn read(fields: &Fields) -> Result<WorkerStatus, Unreadable> {
    Ok(WorkerStatus {
        id: WorkerId(fields.text("id")?.into()),
        pools: fields.json("pools")?,
        concurrency: fields.get("concurrency")?,
        running: fields.json("running")?,
        held: fields.get("held")?,
        holding: fields.optional_json("holding")?.flatten(),
        doing: fields.optional_json("doing")?.unwrap_or_default(),
        draining: fields.optional("draining")?.unwrap_or_default(),
        started_at: fields.get("started_at")?,
        seen_at: fields.get("seen_at")?,
        version: fields.get("version")?,
    })
}

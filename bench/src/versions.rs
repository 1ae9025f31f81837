//! What the servers of a stage are, and how they are set: a figure without it says little.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::raw;
use crate::stage::Stage;

/// Settings that decide what a commit costs.
const SETTINGS: &str = "SELECT name, setting FROM pg_settings
    WHERE name IN ('server_version', 'fsync', 'synchronous_commit', 'full_page_writes', 'shared_buffers', 'wal_sync_method')";

/// As one line of JSON.
pub(crate) async fn of(stage: &Stage) -> Result<Value> {
    let rows = raw::connect(stage).await?.query(SETTINGS, &[]).await?;
    let postgres: serde_json::Map<String, Value> = rows
        .iter()
        .map(|row| (row.get(0), Value::String(row.get(1))))
        .collect();
    let client = redis::Client::open(stage.redis_url())?;
    let mut redis = client.get_multiplexed_async_connection().await?;
    let info: String = redis::cmd("INFO").arg("server").query_async(&mut redis).await?;
    let redis = info.lines().find_map(|line| line.strip_prefix("redis_version:"));
    Ok(json!({
        "postgres": postgres,
        "redis": {"version": redis},
        "rabbitmq": {"version": rabbitmq(stage.folder())?, "queues": "quorum"},
    }))
}

/// It says so in its log, and the client library does not pass on what it says to clients.
fn rabbitmq(folder: &Path) -> Result<Option<String>> {
    let log = folder.join("rabbitmq");
    for entry in fs::read_dir(&log).with_context(|| log.display().to_string())? {
        let text = fs::read(entry?.path()).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let after = text.split_once("Starting RabbitMQ ").map(|(_, rest)| rest);
        if let Some(version) = after.and_then(|rest| rest.split_whitespace().next()) {
            return Ok(Some(version.to_owned()));
        }
    }
    Ok(None)
}

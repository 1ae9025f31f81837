//! Flotilla on the same servers: every role a process of its own.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use flotilla_tests::{Flotilla, free_port};
use serde_json::Value;
use tokio::time::Instant;

use crate::Args;
use crate::report::Run;
use crate::stage::Stage;
use crate::usage::Usage;

/// Nothing here may hang.
const PATIENCE: Duration = Duration::from_secs(300);
const STARTUP: Duration = Duration::from_secs(60);

pub(crate) async fn run(stage: &Stage, args: &Args) -> Result<Run> {
    let files = tempfile::tempdir()?;
    let start = |arguments: &[&str]| {
        Flotilla::command(arguments.iter().copied())
            .env("FLOTILLA_STORE_URL", stage.postgres_url())
            .env("FLOTILLA_BROKER_URL", stage.amqp_url())
            .env("FLOTILLA_PROGRESS_URL", stage.redis_url())
            .env(
                "FLOTILLA_OBJECTS_URL",
                format!("file://{}", files.path().join("objects").display()),
            )
    };
    let migrated = start(&["migrate"]).output(files.path(), STARTUP).await;
    if !migrated.status.success() {
        bail!("flotilla migrate: {}", migrated.stderr);
    }
    let listen = format!("127.0.0.1:{}", free_port());
    let mut roles = vec![
        (
            "api".to_owned(),
            start(&["api", "--listen", &listen]).start(files.path()),
        ),
        ("scheduler".to_owned(), start(&["scheduler"]).start(files.path())),
    ];
    for worker in 1..=args.workers {
        let process = start(&["worker", "--concurrency", &args.concurrency.to_string()]).start(files.path());
        roles.push((format!("worker {worker}"), process));
    }
    let http = reqwest::Client::builder().timeout(PATIENCE).build()?;
    let server = format!("http://{listen}");
    ready(&http, &server).await?;

    let body = ndjson(args.items);
    let before = usage(stage, &roles)?;
    let started = Instant::now();
    let batch = submit(&http, &server, body).await?;
    result(&http, &server, &batch, args.items).await?;
    let time = started.elapsed();
    let after = usage(stage, &roles)?;
    for (_, role) in &mut roles {
        role.terminate().await;
    }
    let costs = after
        .into_iter()
        .zip(before)
        .map(|((name, now), (_, then))| (name, now.since(then)))
        .collect();
    Ok(Run {
        items: args.items,
        time,
        usage: costs,
    })
}

fn usage(stage: &Stage, roles: &[(String, Flotilla)]) -> Result<Vec<(String, Usage)>> {
    let servers = stage
        .servers()?
        .into_iter()
        .map(|(name, pid)| (name.to_owned(), Usage::of_tree(pid)));
    let roles = roles
        .iter()
        .map(|(name, role)| (name.clone(), Usage::of_tree(role.pid())));
    Ok(roles.chain(servers).collect())
}

fn ndjson(items: u32) -> String {
    (0..items).map(|index| format!("{{\"n\":{index}}}\n")).collect()
}

/// Waits until every role does its part: a small batch goes through.
async fn ready(http: &reqwest::Client, server: &str) -> Result<()> {
    let deadline = Instant::now() + STARTUP;
    while !http
        .get(format!("{server}/readyz"))
        .send()
        .await
        .is_ok_and(|answer| answer.status().is_success())
    {
        if Instant::now() > deadline {
            bail!("the API is not ready");
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let warm_up = submit(http, server, ndjson(1_000)).await?;
    result(http, server, &warm_up, 1_000).await
}

async fn submit(http: &reqwest::Client, server: &str, body: String) -> Result<String> {
    let request = http
        .post(format!("{server}/v1/batches?job_type=echo"))
        .header("content-type", "application/x-ndjson")
        .body(body);
    let answer = request.send().await?;
    let status = answer.status();
    let batch: Value = answer.json().await?;
    batch["id"]
        .as_str()
        .map(str::to_owned)
        .with_context(|| format!("HTTP {status}: {batch}"))
}

/// Waits for the `BatchResult` and checks it.
async fn result(http: &reqwest::Client, server: &str, batch: &str, items: u32) -> Result<()> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let answer = http
            .get(format!("{server}/v1/batches/{batch}/result"))
            .send()
            .await?;
        if answer.status().is_success() {
            let result: Value = answer.json().await?;
            if result["result_summary"]["succeeded"] != items {
                bail!("not every item succeeded: {result}");
            }
            return Ok(());
        }
        if Instant::now() > deadline {
            bail!("no result within {} s", PATIENCE.as_secs());
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

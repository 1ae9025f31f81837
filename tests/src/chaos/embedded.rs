//! `flotilla up` and `flotilla run` with nothing installed: killed, and started again.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use rand::SeedableRng;
use rand::rngs::StdRng;
use serde_json::Value;
use tempfile::TempDir;
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

use super::crowd::Crowd;
use super::gather::FINAL;
use super::producer::{Producer, Promise};
use super::receiver::{self, Receiver};
use super::table::Row;
use crate::checker::{BatchEvidence, Evidence, Outcome, Report, ResultRow, Seen, check};
use crate::{Flotilla, free_port};

/// What there is.
pub(crate) const NAMES: [&str; 2] = ["embedded-up-killed", "embedded-run-killed"];
/// How often the process is killed.
const KILLS: u32 = 6;
/// An item that a process was killed with is set apart, at most so often before it is given up on.
const LOSSES: u32 = 2;
/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(180);
const STEP: Duration = Duration::from_millis(10);

/// The row of a scenario that was not run yet.
pub(crate) fn row(name: &str) -> Row {
    Row {
        scenario: name.to_owned(),
        faults: format!("kill -9, {KILLS} times from 5 to 80 %"),
        ..Row::default()
    }
}

pub(crate) async fn run(name: &str, items: u32, seed: u64) -> Row {
    let mut row = row(name);
    let played = match name {
        "embedded-up-killed" => up(items, seed).await,
        _ => one_shot(items, seed).await,
    };
    match played {
        Ok((report, recovery)) => row.add(&report, recovery),
        Err(error) => row.fail(&error),
    }
    row
}

/// After so many calls the next kill is due.
fn due(items: u32, kill: u32) -> u64 {
    u64::from(items) * u64::from(5 + kill * 75 / (KILLS - 1)) / 100
}

async fn up(items: u32, seed: u64) -> Result<(Report, Duration)> {
    let folder = TempDir::new()?;
    let receiver = Receiver::start(folder.path()).await?;
    fs::write(folder.path().join("flotilla.toml"), receiver.config())?;
    let listen = format!("127.0.0.1:{}", free_port());
    let start = || {
        let arguments = [
            "up",
            "--listen",
            &listen,
            "--data",
            "data",
            "--config",
            "flotilla.toml",
        ];
        Flotilla::command(arguments).start(folder.path())
    };
    let mut process = start();
    let crowd = Crowd::new(Producer::new(vec![format!("http://{listen}")]));
    let mut rng = StdRng::seed_from_u64(seed);
    crowd.producer.read("/readyz").await?;
    crowd.submit(crowd.plan(&mut rng, items, 2..=20), &[]).await?;
    let (stop, stopped) = watch::channel(false);
    let killing = async {
        for kill in 0..KILLS {
            wait_for_calls(&receiver, due(items, kill)).await?;
            process.kill();
            process = start();
        }
        stop.send_replace(true);
        anyhow::Ok(Instant::now())
    };
    let streaming = crowd.stream(StdRng::seed_from_u64(seed ^ 1), stopped);
    let (killed, streamed) = tokio::join!(killing, streaming);
    let healed = killed?;
    streamed?;
    let promises = crowd.since(0);
    for promise in &promises {
        wait_for_end(&crowd.producer, promise, healed + PATIENCE).await?;
    }
    let recovery = healed.elapsed();
    let mut batches = Vec::new();
    for promise in promises {
        batches.push(evidence(&crowd.producer, promise).await?);
    }
    let report = check(&Evidence {
        batches,
        calls: receiver.calls()?,
        losses: LOSSES,
        ..Evidence::default()
    });
    drop(process);
    Ok((report, recovery))
}

async fn wait_for_calls(receiver: &Receiver, due: u64) -> Result<()> {
    let deadline = Instant::now() + PATIENCE;
    while receiver.count() < due {
        if Instant::now() >= deadline {
            bail!("{} of {due} calls after {PATIENCE:?}", receiver.count());
        }
        sleep(STEP).await;
    }
    Ok(())
}

/// Returns at the deadline, too: the check says then that the batch is stuck.
async fn wait_for_end(producer: &Producer, promise: &Promise, deadline: Instant) -> Result<()> {
    while Instant::now() < deadline {
        let batch = producer.read(&promise.path("")).await?;
        let state = batch.as_ref().and_then(|batch| batch["state"].as_str());
        if state.is_some_and(|state| FINAL.contains(&state)) {
            break;
        }
        sleep(STEP * 10).await;
    }
    Ok(())
}

/// What the API knows of a batch.
async fn evidence(producer: &Producer, promise: Promise) -> Result<BatchEvidence> {
    let api = producer.read(&promise.path("")).await?;
    let mut seen = None;
    if let Some(api) = api {
        let items = producer.items(&promise).await?;
        let result = producer.read(&promise.path("/result")).await?;
        seen = Some(Seen {
            state: api["state"].as_str().unwrap_or_default().to_owned(),
            total: u32::try_from(api["counts"]["total"].as_u64().context("a batch has a total")?)?,
            outcomes: items.iter().filter_map(ended).collect(),
            results: result
                .iter()
                .map(|result| ResultRow {
                    revision: result["revision"].as_u64().unwrap_or(0) as u32,
                    result: result.clone(),
                })
                .collect(),
            api: Some(api),
            audit: producer.read(&promise.path("/audit")).await?,
            ..Seen::default()
        });
    }
    Ok(BatchEvidence {
        id: promise.id,
        plan: promise.plan,
        asked_again: promise.asked_again,
        cancelled: promise.cancelled,
        revisions: promise.revisions,
        seen,
    })
}

/// An item as the API and result files show it; `None` for one that has not ended.
fn ended(item: &Value) -> Option<Outcome> {
    let state = item["state"].as_str()?;
    let index = u32::try_from(item["index"].as_u64()?).ok()?;
    ["succeeded", "failed", "cancelled"]
        .contains(&state)
        .then(|| Outcome {
            index,
            state: state.to_owned(),
            attempt: item["attempts"].as_u64().unwrap_or(0) as u32,
            error_kind: item["error"]["kind"].as_str().map(str::to_owned),
            output_fits: state != "succeeded" || receiver::is_output(&item["output"], index),
            ..Outcome::default()
        })
}

/// `flotilla run`, killed and started again until it is through.
async fn one_shot(items: u32, seed: u64) -> Result<(Report, Duration)> {
    let folder = TempDir::new()?;
    let receiver = Receiver::start(folder.path()).await?;
    let crowd = Crowd::new(Producer::new(Vec::new()));
    let plan = crowd.plan(&mut StdRng::seed_from_u64(seed), items, 2..=20);
    let lines: String = (0..)
        .zip(&plan.items)
        .map(|(position, item)| receiver::line(&plan.upload, position, *item))
        .collect();
    fs::write(folder.path().join("in.ndjson"), lines)?;
    let attempts = plan.max_attempts.to_string();
    let command = || {
        let (file, out, url) = ("in.ndjson", "out.ndjson", receiver.url());
        let arguments = [
            "run",
            file,
            "--http",
            url,
            "--out",
            out,
            "--max-attempts",
            &attempts,
        ];
        Flotilla::command(arguments)
            .arg("--concurrency")
            .arg("16")
            .cwd(folder.path())
    };
    for kill in 0..KILLS {
        let mut process = command().start(folder.path());
        wait_for_calls(&receiver, due(items, kill)).await?;
        process.kill();
    }
    let began = Instant::now();
    let output = command().output(folder.path(), PATIENCE).await;
    let recovery = began.elapsed();
    ensure!(
        matches!(output.status.code(), Some(0 | 1)),
        "{}: {}",
        output.status,
        output.stderr
    );
    let calls = receiver.calls()?;
    let id = calls.first().context("the handler was called")?.batch.clone();
    let seen = Seen {
        state: "completed".into(),
        total: items,
        outcomes: results(&folder.path().join("out.ndjson"))?,
        ..Seen::default()
    };
    let report = check(&Evidence {
        batches: vec![BatchEvidence {
            id,
            plan,
            asked_again: false,
            cancelled: false,
            revisions: 0,
            seen: Some(seen),
        }],
        calls,
        losses: LOSSES,
        ..Evidence::default()
    });
    Ok((report, recovery))
}

fn results(file: &Path) -> Result<Vec<Outcome>> {
    let text = fs::read_to_string(file).context("reading the results")?;
    let lines = text.lines().map(|line| {
        let item: Value = serde_json::from_str(line).context("a result is JSON")?;
        Ok(ended(&item))
    });
    lines.filter_map(Result::transpose).collect()
}

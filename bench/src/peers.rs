//! The same work done by programs that others use for it, on the same servers. See `bench/peers/README.md`.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use tokio::process::Command;
use tokio::time::timeout;

use crate::fleet::{Fleet, Size};
use crate::report::{Report, Run};
use crate::stage::Stage;
use crate::throughput::no_op;

/// A peer ends itself after 600 s.
const PATIENCE: Duration = Duration::from_secs(660);

/// What to run.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Args {
    /// Items per run.
    #[arg(long, default_value_t = 100_000)]
    items: u32,
    /// Runs of each; the median counts.
    #[arg(long, default_value_t = 5)]
    runs: u32,
    /// Where `bench/peers/install` has put what they need.
    #[arg(long, env = "FLOTILLA_PEERS_DIR")]
    folder: PathBuf,
    #[command(flatten)]
    size: Size,
}

/// A peer: its name, the program that runs it, and its script.
const PEERS: [(&str, &str, &str); 3] = [
    ("graphile-worker", "node", "graphile-worker/run.mjs"),
    ("BullMQ", "node", "bullmq/run.mjs"),
    ("Celery chord", "celery/venv/bin/python", "celery/run.py"),
];

pub(crate) async fn run(args: Args) -> Result<()> {
    let mut report = Report::new("peers", "items/s");
    for _ in 0..args.runs {
        let stage = Stage::start().await?;
        let fleet = Fleet::start(&stage, args.size).await?;
        report.add_run("flotilla", no_op(fleet, Some(&stage), args.items).await?);
        drop(stage);
        for (name, program, script) in PEERS {
            let stage = Stage::start().await?;
            let run = peer(&args, &stage, program, script).await.context(name)?;
            report.add_run(name, run);
        }
    }
    report.print();
    Ok(())
}

async fn peer(args: &Args, stage: &Stage, program: &str, script: &str) -> Result<Run> {
    let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("peers");
    let before = stage.usage()?;
    let run = Command::new(args.folder.join(program))
        .arg(scripts.join(script))
        .args(["--items", &args.items.to_string()])
        .args(["--workers", &args.size.workers.to_string()])
        .args(["--concurrency", &args.size.concurrency.to_string()])
        .env("FLOTILLA_PEERS_DIR", &args.folder)
        .env("AMQP_URL", stage.amqp_url())
        .env("POSTGRES_URL", stage.postgres_url())
        .env("REDIS_URL", stage.redis_url())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    let output = timeout(PATIENCE, run.wait_with_output()).await??;
    ensure!(
        output.status.success(),
        "{}: {}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    let said: Value = serde_json::from_slice(&output.stdout).context("its line of JSON")?;
    eprintln!("{said}");
    let seconds = said["seconds"].as_f64().context("`seconds`")?;
    // With what it took to start and to warm up.
    let after = stage.usage()?;
    Ok(Run::new(
        args.items,
        Duration::from_secs_f64(seconds),
        before,
        after,
    ))
}

//! No-op items through HTTP to the `BatchResult`, beside the raw limit of the same servers.

use std::time::Duration;

use anyhow::{Context, Result};
use tokio::time::Instant;

use crate::fleet::{Fleet, Size, ndjson};
use crate::raw;
use crate::report::{Report, Run};
use crate::stage::Stage;

/// What to run.
#[derive(Debug, Clone, Copy, clap::Args)]
pub(crate) struct Args {
    /// Items per run.
    #[arg(long, default_value_t = 100_000)]
    items: u32,
    /// Runs of each; the median counts.
    #[arg(long, default_value_t = 5)]
    runs: u32,
    #[command(flatten)]
    size: Size,
}

pub(crate) async fn run(args: Args) -> Result<()> {
    let mut report = Report::new("throughput", "items/s");
    for _ in 0..args.runs {
        // New servers for each run: nobody profits from the caches or suffers from the garbage of the one before.
        let stage = Stage::start().await?;
        let limit = raw::throughput::run(&stage, args.items)
            .await
            .context("the raw limit")?;
        report.add_run("limit", limit);
        drop(stage);

        let stage = Stage::start().await?;
        let fleet = Fleet::start(&stage, args.size).await?;
        let run = no_op(fleet, Some(&stage), args.items).await;
        report.add_run("flotilla", run.context("flotilla")?);
    }
    report.print();
    Ok(())
}

/// Uploads no-op items to a new fleet, waits for the `BatchResult`, and stops the fleet.
pub(crate) async fn no_op(fleet: Fleet, stage: Option<&Stage>, items: u32) -> Result<Run> {
    let servers = || stage.map_or_else(|| Ok(Vec::new()), Stage::usage);
    let body = ndjson(items);
    let before = [fleet.usage(), servers()?].concat();
    let started = Instant::now();
    let batch = fleet.submit("?job_type=echo", body).await?;
    fleet.result(&batch, Duration::from_millis(20)).await?;
    let time = started.elapsed();
    let after = [fleet.usage(), servers()?].concat();
    fleet.stop().await;
    Ok(Run::new(items, time, before, after))
}

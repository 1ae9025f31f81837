//! How long it takes until nothing of a large batch moves any more after a pause, and until it moves again after that.

use std::time::Duration;

use anyhow::Result;
use serde_json::Value;
use tokio::time::{Instant, sleep};

use crate::fleet::{Batch, Fleet, Size};
use crate::report::Report;
use crate::stage::Stage;

const LOOK: Duration = Duration::from_millis(2);

/// What to run.
#[derive(Debug, Clone, Copy, clap::Args)]
pub(crate) struct Args {
    /// Items of the batch.
    #[arg(long, default_value_t = 1_000_000)]
    items: u32,
    /// Milliseconds that each of its items takes.
    #[arg(long, default_value_t = 5)]
    ms: u32,
    /// How often it is paused.
    #[arg(long, default_value_t = 20)]
    times: u32,
    #[command(flatten)]
    size: Size,
}

pub(crate) async fn run(args: Args) -> Result<()> {
    let stage = Stage::start().await?;
    let fleet = Fleet::start(&stage, args.size).await?;
    let mut report = Report::new("pause", "ms");
    let items = format!("{{\"ms\":{}}}\n", args.ms).repeat(args.items as usize);
    let batch = fleet.submit("?job_type=sleep", items).await?;
    for _ in 0..args.times {
        sleep(Duration::from_secs(1)).await;
        let paused = Instant::now();
        fleet.act(&batch, "pause").await?;
        until(&fleet, &batch, |counts| {
            counts["queued"] == 0 && counts["processing"] == 0
        })
        .await?;
        report.add("pause: until nothing is in flight", ms_since(paused));
        sleep(Duration::from_millis(300)).await;
        let still = fleet.counts(&batch).await?;
        let resumed = Instant::now();
        fleet.act(&batch, "resume").await?;
        until(&fleet, &batch, |counts| counts["succeeded"] != still["succeeded"]).await?;
        report.add("resume: until another item has ended", ms_since(resumed));
    }
    fleet.act(&batch, "cancel").await?;
    fleet.stop().await;
    report.print();
    Ok(())
}

async fn until(fleet: &Fleet, batch: &Batch, so: impl Fn(&Value) -> bool) -> Result<()> {
    while !so(&fleet.counts(batch).await?) {
        sleep(LOOK).await;
    }
    Ok(())
}

fn ms_since(start: Instant) -> f64 {
    start.elapsed().as_secs_f64() * 1e3
}

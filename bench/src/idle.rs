//! What every role costs while nothing happens: in an empty system, and with many batches that have ended.

use std::time::Duration;

use anyhow::Result;
use tokio::time::sleep;

use crate::fleet::{Fleet, Size, ndjson};
use crate::report::Report;
use crate::stage::Stage;

/// What to run.
#[derive(Debug, Clone, Copy, clap::Args)]
pub(crate) struct Args {
    /// Batches that have ended.
    #[arg(long, default_value_t = 10_000)]
    batches: u32,
    /// How long to look, in seconds.
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    #[command(flatten)]
    size: Size,
}

pub(crate) async fn run(args: Args) -> Result<()> {
    let stage = Stage::start().await?;
    let fleet = Fleet::start(&stage, args.size).await?;
    let mut report = Report::new("idle", "% of a core");
    look(&fleet, args, "empty", &mut report).await;
    for _ in 0..args.batches {
        let batch = fleet.submit("?job_type=echo", ndjson(1)).await?;
        fleet.result(&batch, Duration::from_millis(2)).await?;
    }
    look(&fleet, args, "with batches", &mut report).await;
    report.usage(fleet.usage());
    fleet.stop().await;
    report.print();
    Ok(())
}

async fn look(fleet: &Fleet, args: Args, name: &str, report: &mut Report) {
    // What was just done is over.
    sleep(Duration::from_secs(5)).await;
    let before = fleet.usage();
    let time = Duration::from_secs(args.seconds);
    sleep(time).await;
    for ((role, now), (_, then)) in fleet.usage().into_iter().zip(before) {
        let share = now.since(then).cpu_s / time.as_secs_f64();
        report.add(&format!("{name}: {role}"), share * 100.0);
    }
}

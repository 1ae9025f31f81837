//! No-op items through HTTP to the `BatchResult`, with everything in one process, beside the distributed engine.

use anyhow::{Context, Result};

use crate::fleet::{Fleet, Size};
use crate::report::Report;
use crate::stage::Stage;
use crate::throughput::no_op;

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
    let mut report = Report::new("embedded", "items/s");
    for _ in 0..args.runs {
        let stage = Stage::start().await?;
        let fleet = Fleet::start(&stage, args.size).await?;
        let run = no_op(fleet, Some(&stage), args.items).await;
        report.add_run("distributed", run.context("distributed")?);
        drop(stage);

        let fleet = Fleet::embedded(args.size).await?;
        let run = no_op(fleet, None, args.items).await;
        report.add_run("embedded", run.context("embedded")?);
    }
    report.print();
    Ok(())
}

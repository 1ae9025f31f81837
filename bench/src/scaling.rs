//! No-op items with one, two and more workers.

use anyhow::Result;

use crate::fleet::{Fleet, Size};
use crate::report::Report;
use crate::stage::Stage;
use crate::throughput::no_op;

/// What to run.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Args {
    /// Items per run.
    #[arg(long, default_value_t = 100_000)]
    items: u32,
    /// Runs of each; the median counts.
    #[arg(long, default_value_t = 3)]
    runs: u32,
    /// Numbers of worker processes.
    #[arg(long, value_delimiter = ',', default_values_t = [1, 2, 4])]
    workers: Vec<u32>,
    /// Items that each worker runs at once.
    #[arg(long, default_value_t = 64)]
    concurrency: u32,
}

pub(crate) async fn run(args: Args) -> Result<()> {
    let mut report = Report::new("scaling", "items/s");
    for _ in 0..args.runs {
        for &workers in &args.workers {
            let stage = Stage::start().await?;
            let size = Size {
                workers,
                concurrency: args.concurrency,
            };
            let fleet = Fleet::start(&stage, size).await?;
            let run = no_op(fleet, Some(&stage), args.items).await?;
            report.add_run(&format!("workers: {workers}"), run);
        }
    }
    report.print();
    Ok(())
}

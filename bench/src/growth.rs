//! What an item costs in batches of ten thousand to ten million.

use anyhow::Result;

use crate::fleet::{Fleet, Size};
use crate::report::Report;
use crate::stage::Stage;
use crate::throughput::no_op;

/// What to run.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Args {
    /// Sizes of the batches. Costs are shown beside those of the first.
    #[arg(long, value_delimiter = ',', default_values_t = [100_000, 10_000, 1_000_000, 10_000_000])]
    items: Vec<u32>,
    /// Runs of each size; the median counts.
    #[arg(long, default_value_t = 1)]
    runs: u32,
    #[command(flatten)]
    size: Size,
}

pub(crate) async fn run(args: Args) -> Result<()> {
    let mut report = Report::new("growth", "µs of CPU per item");
    for _ in 0..args.runs {
        for &items in &args.items {
            let stage = Stage::start().await?;
            let fleet = Fleet::start(&stage, args.size).await?;
            report.add_cost(
                &format!("items: {items}"),
                no_op(fleet, Some(&stage), items).await?,
            );
        }
    }
    report.print();
    Ok(())
}

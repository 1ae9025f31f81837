//! Batches of one item on an idle system, from the request to the visible result, beside the bare round trip.

use std::time::Duration;

use anyhow::Result;
use tokio::time::{Instant, sleep};

use crate::fleet::{Fleet, Size, ndjson};
use crate::raw;
use crate::report::Report;
use crate::stage::Stage;
use crate::view::View;

/// Between two batches: long enough for everybody to have nothing to do.
const REST: Duration = Duration::from_millis(75);

/// What to run.
#[derive(Debug, Clone, Copy, clap::Args)]
pub(crate) struct Args {
    /// Batches.
    #[arg(long, default_value_t = 200)]
    batches: u32,
    #[command(flatten)]
    size: Size,
}

pub(crate) async fn run(args: Args) -> Result<()> {
    let stage = Stage::start().await?;
    let mut report = Report::new("latency", "ms");
    for time in raw::round_trip::run(&stage, args.batches, REST).await? {
        report.add("raw round trip", time);
    }
    let fleet = Fleet::start(&stage, args.size).await?;
    let mut view = View::open(&stage).await?;
    for _ in 0..args.batches {
        sleep(REST).await;
        let start = Instant::now();
        let batch = fleet.submit("?job_type=echo", ndjson(1)).await?;
        view.completed(&batch).await?;
        fleet.result(&batch, REST).await?;
        report.add("flotilla", start.elapsed().as_secs_f64() * 1e3);
    }
    fleet.stop().await;
    report.print();
    Ok(())
}

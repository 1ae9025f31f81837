//! Ten items, while a million wait: on an idle system, behind a large batch of the same space, and of another one.

use std::time::Duration;

use anyhow::Result;
use tokio::time::{Instant, sleep};

use crate::fleet::{Fleet, Size};
use crate::report::Report;
use crate::stage::Stage;
use crate::view::View;

const REST: Duration = Duration::from_millis(100);

/// What to run.
#[derive(Debug, Clone, Copy, clap::Args)]
pub(crate) struct Args {
    /// Items of the large batch.
    #[arg(long, default_value_t = 1_000_000)]
    items: u32,
    /// Milliseconds that each of its items takes.
    #[arg(long, default_value_t = 5)]
    ms: u32,
    /// Small batches of each kind.
    #[arg(long, default_value_t = 50)]
    batches: u32,
    #[command(flatten)]
    size: Size,
}

pub(crate) async fn run(args: Args) -> Result<()> {
    let stage = Stage::start().await?;
    let fleet = Fleet::start(&stage, args.size).await?;
    let mut report = Report::new("fairness", "ms");
    let mut view = View::open(&stage).await?;
    small(&fleet, args, "idle", "default", &mut view, &mut report).await?;
    for (name, space) in [("same space", "default"), ("another space", "other")] {
        let item = format!("{{\"ms\":{}}}\n", args.ms);
        let large = item.repeat(args.items as usize);
        let large = fleet.submit("?job_type=sleep", large).await?;
        // Until the window is at what the fleet drains.
        sleep(Duration::from_secs(3)).await;
        small(&fleet, args, name, space, &mut view, &mut report).await?;
        fleet.act(&large, "cancel").await?;
        sleep(Duration::from_secs(3)).await;
    }
    report.usage(fleet.usage());
    fleet.stop().await;
    report.print();
    Ok(())
}

async fn small(
    fleet: &Fleet,
    args: Args,
    name: &str,
    space: &str,
    view: &mut View,
    report: &mut Report,
) -> Result<()> {
    let query = format!("?job_type=sleep&space={space}");
    let ten = format!("{{\"ms\":{}}}\n", args.ms).repeat(10);
    for _ in 0..args.batches {
        sleep(REST).await;
        let start = Instant::now();
        let batch = fleet.submit(&query, ten.clone()).await?;
        view.completed(&batch).await?;
        fleet.result(&batch, REST).await?;
        report.add(name, start.elapsed().as_secs_f64() * 1e3);
    }
    Ok(())
}

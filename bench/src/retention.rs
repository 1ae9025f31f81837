//! What the removal of a large batch costs others: no-op items per second while its inputs, its outputs and all of it are
//! removed, beside the same with nothing else to do.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tokio::time::{Instant, sleep};
use tokio_postgres::Client;

use crate::fleet::{Batch, Fleet, Size, ndjson};
use crate::raw;
use crate::report::Report;
use crate::stage::Stage;

const LOOK: Duration = Duration::from_millis(20);
/// Nothing here may hang.
const PATIENCE: Duration = Duration::from_secs(1_200);

/// What to run.
#[derive(Debug, Clone, Copy, clap::Args)]
pub(crate) struct Args {
    /// Items of the batch that is removed.
    #[arg(long, default_value_t = 1_000_000)]
    items: u32,
    /// Items of each batch that runs meanwhile.
    #[arg(long, default_value_t = 50_000)]
    beside: u32,
    /// Batches that run alone before, and after.
    #[arg(long, default_value_t = 3)]
    alone: u32,
    #[command(flatten)]
    size: Size,
}

pub(crate) async fn run(args: Args) -> Result<()> {
    let stage = Stage::start().await?;
    let fleet = Fleet::start(&stage, args.size).await?;
    let store = raw::connect(&stage).await?;
    let mut report = Report::new("retention", "items/s");
    // Far away: the times are moved to now, one after the other.
    let query = "?job_type=echo&retention=%7B%22inputs%22%3A%22100d%22%2C%22outputs%22%3A%22100d%22%2C%22results%22%3A%22200d%22%7D";
    let large = fleet.submit(query, ndjson(args.items)).await?;
    fleet.result(&large, Duration::from_millis(200)).await?;
    for _ in 0..args.alone {
        report.add("alone", one(&fleet, args).await?);
    }
    for part in ["inputs", "outputs", "results"] {
        let began = Instant::now();
        due(&store, &large, part).await?;
        until_begun(&store, &large, part).await?;
        while !is_gone(&store, &large, part).await? {
            report.add(&format!("while {part} are removed"), one(&fleet, args).await?);
            ensure!(began.elapsed() < PATIENCE, "{part} are not removed");
        }
        report.add("alone", one(&fleet, args).await?);
    }
    for _ in 0..args.alone {
        report.add("alone", one(&fleet, args).await?);
    }
    for part in ["inputs", "outputs"] {
        // Alone, for how long it takes by itself.
        let small = fleet.submit(query, ndjson(args.items / 5)).await?;
        fleet.result(&small, Duration::from_millis(200)).await?;
        due(&store, &small, part).await?;
        until_begun(&store, &small, part).await?;
        let began = Instant::now();
        while !is_gone(&store, &small, part).await? {
            sleep(LOOK).await;
        }
        let took = began.elapsed().as_secs_f64();
        report.add(&format!("{part} removed alone"), f64::from(args.items / 5) / took);
    }
    fleet.stop().await;
    report.print();
    Ok(())
}

/// Items per second of a batch, from its upload to its result.
async fn one(fleet: &Fleet, args: Args) -> Result<f64> {
    let body = ndjson(args.beside);
    let began = Instant::now();
    let batch = fleet.submit("?job_type=echo", body).await?;
    fleet.result(&batch, LOOK).await?;
    Ok(f64::from(args.beside) / began.elapsed().as_secs_f64())
}

async fn due(store: &Client, batch: &Batch, part: &str) -> Result<()> {
    let moved = store
        .execute(
            "UPDATE batch_expiries SET due_at = now() WHERE batch_id = $1::text::uuid AND part = $2",
            &[&batch.id(), &part],
        )
        .await?;
    ensure!(moved == 1, "{part} have no time");
    Ok(())
}

async fn until_begun(store: &Client, batch: &Batch, part: &str) -> Result<()> {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        let begun = store
            .query_one(
                "SELECT EXISTS (SELECT FROM batch_expiries WHERE batch_id = $1::text::uuid AND part = $2 AND begun)
                     OR NOT EXISTS (SELECT FROM batch_expiries WHERE batch_id = $1::text::uuid AND part = $2)",
                &[&batch.id(), &part],
            )
            .await?;
        if begun.get(0) {
            return Ok(());
        }
        ensure!(Instant::now() < deadline, "nobody removes {part}");
        sleep(LOOK).await;
    }
}

async fn is_gone(store: &Client, batch: &Batch, part: &str) -> Result<bool> {
    let left = "SELECT EXISTS (SELECT FROM batch_expiries WHERE batch_id = $1::text::uuid AND part = $2)";
    let whole = "SELECT EXISTS (SELECT FROM batches WHERE id = $1::text::uuid AND $2 <> '')";
    let statement = if part == "results" { whole } else { left };
    let row = store
        .query_opt(statement, &[&batch.id(), &part])
        .await?
        .context("no answer")?;
    Ok(!row.get::<_, bool>(0))
}

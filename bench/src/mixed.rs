//! Work that is not one batch of no-op items: many batches at once, items that fail and are tried again, long inputs.

use std::time::Duration;

use anyhow::Result;
use futures_util::{StreamExt, TryStreamExt, stream};
use tokio::time::Instant;

use crate::fleet::{Fleet, Size, ndjson};
use crate::report::{Report, Run};
use crate::stage::Stage;

const LOOK: Duration = Duration::from_millis(20);
/// Requests at once.
const PRODUCERS: usize = 8;
/// Of ten items, one fails its first attempt.
const ONE_OF_TEN: u32 = 10;
/// Bytes of a long input, about.
const LONG: usize = 10_000;

/// What to run.
#[derive(Debug, Clone, Copy, clap::Args)]
pub(crate) struct Args {
    /// Batches at once, of a thousand items each. The other kinds have as many items in one batch, long ones a tenth.
    #[arg(long, default_value_t = 1_000)]
    batches: u32,
    /// Runs of each; the median counts.
    #[arg(long, default_value_t = 1)]
    runs: u32,
    #[command(flatten)]
    size: Size,
}

pub(crate) async fn run(args: Args) -> Result<()> {
    let mut report = Report::new("mixed", "items/s");
    let many = args.batches.saturating_mul(1_000);
    let failing = |index| match index % ONE_OF_TEN {
        0 => "{\"fail_attempts\":1}\n",
        _ => "{}\n",
    };
    let long = format!("{{\"text\":\"{}\"}}\n", "x".repeat(LONG));
    let retries = "?job_type=sleep&max_attempts=3&backoff=%7B%22initial%22%3A%22100ms%22%7D";
    for _ in 0..args.runs {
        let one = || vec![ndjson(many)];
        report.add_run("one batch", measure(args, "?job_type=echo", many, one).await?);
        let small = || vec![ndjson(1_000); args.batches as usize];
        report.add_run(
            "many batches",
            measure(args, "?job_type=echo", many, small).await?,
        );
        let some = || vec![(0..many).map(failing).collect()];
        report.add_run("10 % tried twice", measure(args, retries, many, some).await?);
        let few = many / 10;
        let huge = || vec![long.repeat(few as usize)];
        report.add_run("10 kB inputs", measure(args, "?job_type=echo", few, huge).await?);
    }
    report.print();
    Ok(())
}

/// Submits all of these bodies, some at once, and waits for all of their results.
async fn measure(args: Args, query: &str, items: u32, bodies: impl Fn() -> Vec<String>) -> Result<Run> {
    let stage = Stage::start().await?;
    let fleet = Fleet::start(&stage, args.size).await?;
    let bodies = bodies();
    let before = [fleet.usage(), stage.usage()?].concat();
    let started = Instant::now();
    let submitted = stream::iter(bodies).map(|body| fleet.submit(query, body));
    let batches: Vec<_> = submitted.buffer_unordered(PRODUCERS).try_collect().await?;
    for batch in &batches {
        fleet.result(batch, LOOK).await?;
    }
    let time = started.elapsed();
    let after = [fleet.usage(), stage.usage()?].concat();
    fleet.stop().await;
    Ok(Run::new(items, time, before, after))
}

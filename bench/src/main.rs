//! How fast is Flotilla, and how fast could anything be that keeps its promises on the same servers?
//!
//! `cargo run --release -p flotilla-bench` starts private servers and measures, alternating, in one run:
//!
//! - **limit** ([`limit`]): a minimal program that COPYs the rows in, publishes and consumes each message once on one
//!   quorum queue with confirms, and bulk-inserts the outcomes, all three at once. No batches, fairness, counts, retries
//!   or progress.
//! - **flotilla** ([`product`]): the same items through HTTP to the `BatchResult`, with every role a process of its own.
//!
//! The figure that travels between machines is the ratio of the two.

mod limit;
mod product;
mod report;
mod stage;
mod usage;

use anyhow::{Context, Result};
use clap::Parser;

use crate::report::Run;
use crate::stage::Stage;

/// Runs no-op items through HTTP to the `BatchResult` on the distributed engine, beside the raw limit of its servers.
#[derive(Debug, Parser)]
pub(crate) struct Args {
    /// Items per run.
    #[arg(long, default_value_t = 100_000)]
    items: u32,
    /// Runs of each; the median counts.
    #[arg(long, default_value_t = 3)]
    runs: u32,
    /// Worker processes.
    #[arg(long, default_value_t = 2)]
    workers: u32,
    /// Items that each worker runs at once.
    #[arg(long, default_value_t = 64)]
    concurrency: u32,
}

#[tokio::main]
async fn main() -> Result<()> {
    let args = Args::parse();
    rustls::crypto::ring::default_provider()
        .install_default()
        .ok()
        .context("a TLS provider was installed before")?;
    let mut limits = Vec::new();
    let mut products = Vec::new();
    for run in 1..=args.runs {
        // New servers for each run: nobody profits from the caches or suffers from the garbage of the one before.
        let stage = Stage::start().await?;
        let limit: Run = limit::run(&stage, args.items).await.context("the raw limit")?;
        println!("run {run}: limit    {:>9.0} items/s", limit.items_per_s());
        limits.push(limit);
        drop(stage);

        let stage = Stage::start().await?;
        let product = product::run(&stage, &args).await.context("flotilla")?;
        println!("run {run}: flotilla {:>9.0} items/s", product.items_per_s());
        products.push(product);
    }
    report::print(&args, limits, products);
    Ok(())
}

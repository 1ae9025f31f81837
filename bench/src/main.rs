//! How fast is Flotilla, and how fast could anything be that keeps its promises on the same servers?
//!
//! `cargo run --release -p flotilla-bench -- BENCHMARK` starts private servers and measures, beside each other in one run,
//! Flotilla with every role a process of its own, and a minimal program on the same servers ([`raw`]). The figure that
//! travels between machines is the ratio of the two.

mod archive;
mod embedded;
mod fairness;
mod files;
mod fleet;
mod growth;
mod idle;
mod ingest;
mod latency;
mod listeners;
mod mixed;
mod pages;
mod pause;
mod peers;
mod raw;
mod report;
mod retention;
mod scaling;
mod stage;
mod throughput;
mod usage;
mod versions;
mod view;

use anyhow::{Context, Result};
use clap::Parser;

/// Measures Flotilla on private servers, beside what these servers can do at all.
#[derive(Debug, Parser)]
enum Benchmark {
    /// No-op items through HTTP to the `BatchResult`.
    Throughput(throughput::Args),
    /// The same with 1, 2 and 4 workers.
    Scaling(scaling::Args),
    /// The same with everything in one process.
    Embedded(embedded::Args),
    /// The same with batches of 10,000 to 10,000,000 items: the cost of an item.
    Growth(growth::Args),
    /// Many batches at once, items that fail, long inputs.
    Mixed(mixed::Args),
    /// The same work done by Celery, BullMQ and graphile-worker.
    Peers(peers::Args),
    /// Items accepted per second, by form of the upload.
    Ingest(ingest::Args),
    /// Millions of items in and out as files, each compared.
    Files(files::Args),
    /// Files that come of items, and all of them as a ZIP archive.
    Archive(archive::Args),
    /// What listeners cost, and how far behind they are.
    Listeners(listeners::Args),
    /// What the dashboard asks for, among many batches and in a long one.
    Pages(pages::Args),
    /// Batches of one item on an idle system.
    Latency(latency::Args),
    /// Ten items while a million wait.
    Fairness(fairness::Args),
    /// How long a pause takes.
    Pause(pause::Args),
    /// What the removal of a large batch costs others.
    Retention(retention::Args),
    /// CPU and memory of each role while nothing happens.
    Idle(idle::Args),
}

#[tokio::main]
async fn main() -> Result<()> {
    let benchmark = Benchmark::parse();
    rustls::crypto::ring::default_provider()
        .install_default()
        .ok()
        .context("a TLS provider was installed before")?;
    match benchmark {
        Benchmark::Throughput(args) => throughput::run(args).await,
        Benchmark::Scaling(args) => scaling::run(args).await,
        Benchmark::Embedded(args) => embedded::run(args).await,
        Benchmark::Growth(args) => growth::run(args).await,
        Benchmark::Mixed(args) => mixed::run(args).await,
        Benchmark::Peers(args) => peers::run(args).await,
        Benchmark::Ingest(args) => ingest::run(args).await,
        Benchmark::Files(args) => files::run(args).await,
        Benchmark::Archive(args) => archive::run(args).await,
        Benchmark::Listeners(args) => listeners::run(args).await,
        Benchmark::Pages(args) => pages::run(args).await,
        Benchmark::Latency(args) => latency::run(args).await,
        Benchmark::Fairness(args) => fairness::run(args).await,
        Benchmark::Pause(args) => pause::run(args).await,
        Benchmark::Retention(args) => retention::run(args).await,
        Benchmark::Idle(args) => idle::run(args).await,
    }
}

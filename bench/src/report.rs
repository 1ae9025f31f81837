//! Prints what was measured.

use std::time::Duration;

use crate::Args;
use crate::usage::Usage;

/// One run of either program.
pub(crate) struct Run {
    pub(crate) items: u32,
    pub(crate) time: Duration,
    /// By process or server.
    pub(crate) usage: Vec<(String, Usage)>,
}

impl Run {
    pub(crate) fn items_per_s(&self) -> f64 {
        f64::from(self.items) / self.time.as_secs_f64()
    }
}

/// Prints medians and the ratio.
pub(crate) fn print(args: &Args, limits: Vec<Run>, products: Vec<Run>) {
    println!(
        "\n{} items, {} runs of each, {} workers x {} slots",
        args.items, args.runs, args.workers, args.concurrency
    );
    let limit = median("limit", limits);
    let product = median("flotilla", products);
    println!("\nflotilla / limit = {:.2}", product / limit);
}

/// Prints the median run with its costs and answers its speed.
fn median(name: &str, mut runs: Vec<Run>) -> f64 {
    runs.sort_by(|a, b| a.items_per_s().total_cmp(&b.items_per_s()));
    let slowest = runs.first().map_or(0.0, Run::items_per_s);
    let fastest = runs.last().map_or(0.0, Run::items_per_s);
    let Some(run) = runs.get(runs.len() / 2) else {
        return 0.0;
    };
    println!(
        "\n{name}: {:.0} items/s (median; {slowest:.0} to {fastest:.0}), {:.2} s",
        run.items_per_s(),
        run.time.as_secs_f64()
    );
    for (process, usage) in &run.usage {
        let mib = usage.peak_bytes as f64 / f64::from(1 << 20);
        println!("  {process:<12} {:>7.2} CPU s   {mib:>7.1} MiB peak", usage.cpu_s);
    }
    run.items_per_s()
}

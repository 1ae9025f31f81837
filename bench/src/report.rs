//! Prints what was measured: a line of JSON for each figure as soon as it is there, and a table at the end.

use std::time::Duration;

use serde_json::json;

use crate::usage::Usage;

/// A run of many items.
#[derive(Debug)]
pub(crate) struct Run {
    items: u32,
    time: Duration,
    /// By process or server.
    usage: Vec<(String, Usage)>,
}

impl Run {
    /// What was used between `before` and `after`, which name the same processes.
    pub(crate) fn new(
        items: u32,
        time: Duration,
        before: Vec<(String, Usage)>,
        after: Vec<(String, Usage)>,
    ) -> Self {
        let used = after.into_iter().zip(before);
        Self {
            items,
            time,
            usage: used
                .map(|((name, now), (_, then))| (name, now.since(then)))
                .collect(),
        }
    }
}

/// The figures of one benchmark.
pub(crate) struct Report {
    bench: &'static str,
    unit: &'static str,
    /// In the order in which they first came.
    series: Vec<Series>,
}

struct Series {
    name: String,
    values: Vec<f64>,
    /// CPU per item of the last run.
    costs: Vec<(String, Usage, u32)>,
}

impl Report {
    pub(crate) fn new(bench: &'static str, unit: &'static str) -> Self {
        println!(
            "{}",
            json!({"bench": bench, "version": env!("CARGO_PKG_VERSION"), "cores": std::thread::available_parallelism().map_or(0, usize::from)})
        );
        Self {
            bench,
            unit,
            series: Vec::new(),
        }
    }

    pub(crate) fn add(&mut self, name: &str, value: f64) {
        println!(
            "{}",
            json!({"bench": self.bench, "what": name, "value": value, "unit": self.unit})
        );
        self.of(name).values.push(value);
    }

    pub(crate) fn add_run(&mut self, name: &str, run: Run) {
        self.add(name, f64::from(run.items) / run.time.as_secs_f64());
        self.of(name).costs = costs(run);
    }

    /// The CPU per item of a run, of all processes together, in microseconds.
    pub(crate) fn add_cost(&mut self, name: &str, run: Run) {
        let cpu_s: f64 = run.usage.iter().map(|(_, usage)| usage.cpu_s).sum();
        let rate = f64::from(run.items) / run.time.as_secs_f64();
        println!(
            "{}",
            json!({"bench": self.bench, "what": name, "value": rate, "unit": "items/s"})
        );
        self.add(name, cpu_s * 1e6 / f64::from(run.items));
        self.of(name).costs = costs(run);
    }

    /// Shows the memory of processes.
    pub(crate) fn usage(&self, usage: Vec<(String, Usage)>) {
        for (process, usage) in usage {
            println!(
                "{}",
                json!({"bench": self.bench, "process": process, "peak_bytes": usage.peak_bytes})
            );
        }
    }

    fn of(&mut self, name: &str) -> &mut Series {
        let known = self.series.iter().position(|series| series.name == name);
        let at = known.unwrap_or_else(|| {
            self.series.push(Series {
                name: name.to_owned(),
                values: Vec::new(),
                costs: Vec::new(),
            });
            self.series.len() - 1
        });
        &mut self.series[at]
    }

    /// Prints the table. Ratios are to the first series.
    pub(crate) fn print(&self) {
        let first = self
            .series
            .first()
            .map_or(1.0, |series| quantile(&series.values, 0.5));
        println!(
            "\n| {} ({}) | median | p99 | from | to | runs | beside the first |",
            self.bench, self.unit
        );
        println!("|---|--:|--:|--:|--:|--:|--:|");
        for series in &self.series {
            let at = |q| quantile(&series.values, q);
            println!(
                "| {} | {} | {} | {} | {} | {} | {:.2} |",
                series.name,
                shown(at(0.5)),
                shown(at(0.99)),
                shown(at(0.0)),
                shown(at(1.0)),
                series.values.len(),
                at(0.5) / first
            );
        }
        for series in self.series.iter().filter(|series| !series.costs.is_empty()) {
            println!(
                "\n| {}: last run | CPU per item | peak memory |\n|---|--:|--:|",
                series.name
            );
            for (process, usage, items) in &series.costs {
                let mib = usage.peak_bytes as f64 / f64::from(1 << 20);
                println!(
                    "| {process} | {:.1} µs | {mib:.0} MiB |",
                    usage.cpu_s * 1e6 / f64::from(*items)
                );
            }
        }
    }
}

fn costs(run: Run) -> Vec<(String, Usage, u32)> {
    let items = run.items;
    run.usage
        .into_iter()
        .map(|(process, usage)| (process, usage, items))
        .collect()
}

/// Few digits, whatever the size.
fn shown(value: f64) -> String {
    match value {
        value if value >= 100.0 => format!("{value:.0}"),
        value if value >= 1.0 => format!("{value:.1}"),
        value => format!("{value:.2}"),
    }
}

/// The value below which this share of the values is.
fn quantile(values: &[f64], q: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let at = ((sorted.len().saturating_sub(1)) as f64 * q).round() as usize;
    sorted.get(at).copied().unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_values_that_were_measured() {
        let values = [5.0, 1.0, 3.0, 2.0, 4.0];
        assert_eq!(
            [0.0, 0.5, 0.99, 1.0].map(|q| quantile(&values, q)),
            [1.0, 3.0, 5.0, 5.0]
        );
        assert_eq!(quantile(&[], 0.5), 0.0);
    }
}

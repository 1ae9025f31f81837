//! What came of it, for people and for programs.

use std::fmt::Write as _;
use std::time::Duration;

use serde::Serialize;

use super::scenario::Scenario;
use crate::checker::Report;

/// What one scenario showed, over all of its runs.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Row {
    /// Its name.
    pub scenario: String,
    /// What goes wrong, and when.
    pub faults: String,
    /// How often it was run.
    pub runs: u32,
    /// Items that were promised.
    pub items: u64,
    /// Items that were promised and have no end.
    pub lost: u64,
    /// Attempts that were called again.
    pub duplicated: u64,
    /// Items that a fault had hit and that came to their end.
    pub recovered: u64,
    /// Calls and items that nobody asked for.
    pub unexpected: u64,
    /// Batches that did not end in time.
    pub stuck: u64,
    /// From the end of the last fault to the end of the last batch: the longest of all runs.
    pub recovery_s: f64,
    /// How many promises were broken.
    pub violations: usize,
    /// The first of them in words, or why a run could not be done.
    pub problems: Vec<String>,
}

impl Row {
    pub(crate) fn of(scenario: &Scenario) -> Self {
        Self {
            scenario: scenario.name.to_owned(),
            faults: scenario.faults(),
            ..Self::default()
        }
    }

    pub(crate) fn add(&mut self, report: &Report, recovery: Duration) {
        self.runs += 1;
        self.items += report.attempted;
        self.lost += report.lost;
        self.duplicated += report.duplicated;
        self.recovered += report.recovered;
        self.unexpected += report.unexpected;
        self.stuck += report.stuck;
        self.recovery_s = self.recovery_s.max(recovery.as_secs_f64());
        self.violations += report.violations.len();
        if !report.is_clean() {
            self.problems.push(report.complaints());
        }
    }

    pub(crate) fn fail(&mut self, error: &anyhow::Error) {
        self.runs += 1;
        self.violations += 1;
        self.problems.push(format!("{error:#}"));
    }

    pub(crate) fn merge(&mut self, other: Self) {
        self.runs += other.runs;
        self.items += other.items;
        self.lost += other.lost;
        self.duplicated += other.duplicated;
        self.recovered += other.recovered;
        self.unexpected += other.unexpected;
        self.stuck += other.stuck;
        self.recovery_s = self.recovery_s.max(other.recovery_s);
        self.violations += other.violations;
        self.problems.extend(other.problems);
    }

    /// True where no promise was broken, and every run could be done.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.violations == 0
    }

    /// A line of JSON.
    #[must_use]
    pub fn json(&self) -> String {
        serde_json::to_string(self).expect("a row is JSON")
    }
}

/// A table in Markdown.
#[must_use]
pub fn markdown(rows: &[Row]) -> String {
    let mut table = String::from(
        "| scenario | faults | runs | items | lost | duplicated | recovered | unexpected | stuck | recovery |\n\
         |---|---|--:|--:|--:|--:|--:|--:|--:|--:|\n",
    );
    for row in rows {
        let mark = if row.is_clean() { "" } else { " **!**" };
        let _ = writeln!(
            table,
            "| {}{mark} | {} | {} | {} | {} | {} | {} | {} | {} | {:.1} s |",
            row.scenario,
            row.faults,
            row.runs,
            row.items,
            row.lost,
            row.duplicated,
            row.recovered,
            row.unexpected,
            row.stuck,
            row.recovery_s
        );
    }
    table
}

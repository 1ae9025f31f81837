//! Whether anything was lost, and whether everything adds up: pure, over what was seen from outside.
//!
//! A run leaves evidence behind: what producers were promised, what the handler was really called with, and what the
//! store, the live view and the API say in the end. [`check`] compares them and knows nothing of how Flotilla works.
//! The words are those of Jepsen's queue checks: attempted, lost, unexpected, duplicated, recovered.

mod batch;
mod calls;
mod evidence;
mod result;
#[cfg(test)]
mod tests;
mod violation;

use serde::Serialize;

pub use evidence::{Answer, BatchEvidence, Call, Evidence, ItemPlan, Outcome, Plan, ResultRow, Seen, Tally};
pub use violation::Violation;

use calls::Calls;

/// What a run amounts to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Items that producers were promised to be done.
    pub attempted: u64,
    /// Items that were done.
    pub succeeded: u64,
    /// Items that were given up on.
    pub failed: u64,
    /// Items that ended because their batch was cancelled.
    pub cancelled: u64,
    /// Items that were promised and have no end.
    pub lost: u64,
    /// Calls that nobody asked for, and ends of items that nobody submitted.
    pub unexpected: u64,
    /// Calls of an attempt that had been called before.
    pub duplicated: u64,
    /// Items that a fault had hit, and that came to their end all the same: an attempt was called more than once, or the
    /// producer had to ask again for its batch.
    pub recovered: u64,
    /// Batches that did not end.
    pub stuck: u64,
    /// Everything that must not be.
    pub violations: Vec<Violation>,
}

impl Report {
    /// True where nothing was lost, stuck or wrong.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.violations.is_empty()
    }

    /// Violations in words, the first few of them.
    #[must_use]
    pub fn complaints(&self) -> String {
        const SHOWN: usize = 25;
        let mut lines: Vec<String> = self
            .violations
            .iter()
            .take(SHOWN)
            .map(Violation::to_string)
            .collect();
        if let Some(more) = self.violations.len().checked_sub(SHOWN + 1) {
            lines.push(format!("… and {} more", more + 1));
        }
        lines.join("\n")
    }
}

/// Compares what was promised with what became of it.
#[must_use]
pub fn check(evidence: &Evidence) -> Report {
    let mut report = Report::default();
    let calls = Calls::sort(evidence, &mut report);
    for batch in &evidence.batches {
        batch::check(batch, &calls, evidence.losses, &mut report);
    }
    for id in &evidence.unknown_batches {
        report
            .violations
            .push(Violation::UnexpectedBatch { batch: id.clone() });
    }
    if evidence.no_duplicates && report.duplicated > 0 {
        report.violations.push(Violation::CalledAgain {
            calls: report.duplicated,
        });
    }
    report
}

//! Recounting a batch from its rows: whether what is shown, what is stored and what was concluded from it agree.
//!
//! Counters move with the rows, in the same transactions, so a finding is a defect of this program or of its database,
//! and never a matter of waiting.

use crate::batch::{Batch, Counts};
use crate::result::BatchResult;

/// What a store counted, all of it as of one moment.
#[derive(Debug, Clone, PartialEq)]
pub struct Audit {
    /// The batch, with what its counters say.
    pub batch: Batch,
    /// What its rows say.
    pub rows: Rows,
    /// Its latest result.
    pub result: Option<BatchResult>,
}

/// The rows of a batch, counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Rows {
    /// Items as they were submitted.
    pub items: u32,
    /// Of those, the ones that were dispatched at least once.
    pub dispatched: u32,
    /// Items that are due for another attempt, now or later.
    pub retrying: u32,
    /// Items that came back without being run, or whose message was lost, and that are due for dispatch.
    pub returned: u32,
    /// Items that wait for a callback.
    pub waiting: u32,
    /// Items that a worker goes on with under a lease.
    pub leased: u32,
    /// Outcomes: done.
    pub succeeded: u32,
    /// Outcomes: given up on.
    pub failed: u32,
    /// Outcomes: stopped.
    pub cancelled: u32,
    /// Outcomes of what is no item of the batch.
    pub strays: u32,
    /// Items that have an outcome and are also due or have a lease.
    pub torn: u32,
    /// Dead letters.
    pub dead_letters: u32,
    /// Dead letters of items that did not fail.
    pub stray_dead_letters: u32,
    /// Dispatches that were repeated because a message was lost, of items that have no outcome yet.
    pub resent: u32,
    /// Results, one for each revision.
    pub results: u32,
}

impl Rows {
    /// Items with an outcome.
    #[must_use]
    pub fn settled(&self) -> u32 {
        self.succeeded + self.failed + self.cancelled
    }

    /// The counts that follow from them. Whether an item runs is not known here: it counts as queued.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let accounted = self.settled() + self.retrying + self.returned + self.waiting;
        Counts {
            total: self.items,
            pending: self.items.saturating_sub(self.dispatched) + self.returned,
            queued: self.dispatched.saturating_sub(accounted),
            processing: 0,
            retrying: self.retrying,
            waiting: self.waiting,
            succeeded: self.succeeded,
            failed: self.failed,
            cancelled: self.cancelled,
        }
    }
}

/// Two numbers that have to be equal and are not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Finding {
    /// What was counted twice, in words.
    pub what: &'static str,
    /// What it has to be.
    pub expected: u64,
    /// What it is.
    pub found: u64,
}

impl Audit {
    /// What does not add up. Nothing, in a batch that is well.
    #[must_use]
    pub fn findings(&self) -> Vec<Finding> {
        let (rows, counted, shown) = (&self.rows, self.rows.counts(), &self.batch.counts);
        let accounted = rows.settled() + rows.retrying + rows.returned + rows.waiting;
        let mut pairs = vec![
            ("items", rows.items, shown.total),
            ("pending items", counted.pending, shown.pending),
            ("items in flight", counted.queued, shown.queued + shown.processing),
            ("items that are retried", counted.retrying, shown.retrying),
            ("items that wait", counted.waiting, shown.waiting),
            ("succeeded items", counted.succeeded, shown.succeeded),
            ("failed items", counted.failed, shown.failed),
            ("cancelled items", counted.cancelled, shown.cancelled),
            ("outcomes of no item", 0, rows.strays),
            ("items with an outcome and something else", 0, rows.torn),
            (
                "dead letters of items that did not fail",
                0,
                rows.stray_dead_letters,
            ),
            (
                "items accounted for twice",
                0,
                accounted.saturating_sub(rows.dispatched),
            ),
        ];
        if self.batch.state.is_final() {
            pairs.push(("items with an outcome, at the end", rows.items, rows.settled()));
            pairs.push((
                "results of an ended batch",
                self.batch.revision.max(1),
                rows.results,
            ));
            let told = self.result.as_ref().map(|result| &result.result_summary);
            let told = told.map_or([0; 4], |told| {
                [told.total, told.succeeded, told.failed, told.cancelled]
            });
            pairs.push(("items of the result", rows.items, told[0]));
            pairs.push(("succeeded items of the result", rows.succeeded, told[1]));
            pairs.push(("failed items of the result", rows.failed, told[2]));
            pairs.push(("cancelled items of the result", rows.cancelled, told[3]));
        } else {
            pairs.push((
                "results of a batch that goes on",
                self.batch.revision,
                rows.results,
            ));
        }
        let differs = pairs.into_iter().filter(|(_, expected, found)| expected != found);
        differs
            .map(|(what, expected, found)| Finding {
                what,
                expected: expected.into(),
                found: found.into(),
            })
            .collect()
    }
}

#[cfg(test)]
mod tests;

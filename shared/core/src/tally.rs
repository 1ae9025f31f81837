//! The counts of a batch, and the only code that moves them.
//!
//! Both stores load a [`Tally`] under a row lock, hand it the outcomes that were really inserted, and write it back in
//! the same transaction. So duplicates can't be counted twice, and the two databases can't disagree.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::batch::Counts;
use crate::histogram::Histogram;
use crate::ids::{BatchId, ItemIndex};
use crate::item::ItemState;
use crate::outcome::{Ending, ItemError, Outcome};
use crate::pace::Pace;
use crate::place::Whereabouts;
use crate::result::{BatchResult, ErrorGroup, ResultSummary};

/// Error groups kept per batch; the occurrences of further ones are counted under [`OTHER_ERRORS`].
pub const MAX_ERROR_GROUPS: usize = 50;
/// The fingerprint under which the rest is counted.
pub const OTHER_ERRORS: &str = "other";
/// Bytes of an error's message that are kept as the sample of its group.
const MAX_SAMPLE: usize = 500;

/// What happened to the items of a batch so far.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Tally {
    /// Grows by one with every transaction that changes anything readers see.
    pub version: u64,
    /// Items whose next attempt is due, now or later.
    pub retrying: u32,
    /// Items that were dispatched and came back without being run: pending again.
    pub returned: u32,
    /// Items that something else will complete.
    pub waiting: u32,
    /// Items done.
    pub succeeded: u32,
    /// Items given up on.
    pub failed: u32,
    /// Items stopped by a person.
    pub cancelled: u32,
    /// What only readers need; stores keep it as one JSON text.
    pub detail: TallyDetail,
}

/// The parts of a [`Tally`] that no query looks into.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct TallyDetail {
    /// Attempts of settled items.
    pub attempts: u64,
    /// Time that handlers took for settled items, in microseconds.
    pub duration_us: u64,
    /// The same, as a distribution.
    pub durations: Histogram,
    /// How fast it goes.
    pub pace: Pace,
    /// Failures by fingerprint.
    pub errors: BTreeMap<String, ErrorTally>,
}

/// Failures that share a fingerprint.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorTally {
    /// How many.
    pub count: u32,
    /// The message of the item with the lowest index among them, so that the order of arrival makes no difference.
    pub sample: String,
    /// That index.
    pub first: ItemIndex,
}

impl Tally {
    /// Items with a terminal state.
    #[must_use]
    pub fn settled(&self) -> u32 {
        self.succeeded + self.failed + self.cancelled
    }

    /// Items dispatched and not accounted for: what counts against every window and limit. `next_index` is how many
    /// items were ever dispatched.
    #[must_use]
    pub fn in_flight(&self, next_index: u32) -> u32 {
        next_index.saturating_sub(self.settled() + self.retrying + self.returned + self.waiting)
    }

    /// An item moved. Whoever moves items grows the [`version`](Self::version), once per transaction.
    pub fn moved(&mut self, from: Whereabouts, to: Whereabouts) {
        if let Some(count) = self.of(from) {
            *count = count.saturating_sub(1);
        }
        if let Some(count) = self.of(to) {
            *count += 1;
        }
    }

    /// The whereabouts that are counted; the others follow from them.
    fn of(&mut self, at: Whereabouts) -> Option<&mut u32> {
        match at {
            Whereabouts::Retrying => Some(&mut self.retrying),
            Whereabouts::Returned => Some(&mut self.returned),
            Whereabouts::Waiting => Some(&mut self.waiting),
            Whereabouts::Pending | Whereabouts::Dispatched | Whereabouts::Leased | Whereabouts::Settled => {
                None
            }
        }
    }

    /// Counts `items` that were cancelled without an attempt of theirs being told.
    pub fn cancel(&mut self, items: u32, attempts: u64, now: Timestamp, start: Timestamp) {
        if items > 0 {
            self.cancelled += items;
            self.detail.attempts += attempts;
            self.detail.pace.observe(items, now, start);
        }
    }

    /// Takes an outcome back: its item is going to run again. The error groups are not touched, see
    /// [`TallyDetail::recount_errors`].
    pub fn reopen(&mut self, ended: &Ended) {
        let count = match ended.state {
            ItemState::Failed => &mut self.failed,
            ItemState::Cancelled => &mut self.cancelled,
            _ => &mut self.succeeded,
        };
        *count = count.saturating_sub(1);
        self.retrying += 1;
        let detail = &mut self.detail;
        detail.attempts = detail.attempts.saturating_sub(ended.attempt.into());
        if ended.ran {
            detail.duration_us = detail.duration_us.saturating_sub(ended.duration_us);
            detail.durations.forget(ended.duration_us);
        }
    }

    /// The counts as readers see them.
    #[must_use]
    pub fn counts(&self, total: u32, next_index: u32) -> Counts {
        Counts {
            total,
            pending: total.saturating_sub(next_index) + self.returned,
            queued: self.in_flight(next_index),
            processing: 0,
            retrying: self.retrying,
            waiting: self.waiting,
            succeeded: self.succeeded,
            failed: self.failed,
            cancelled: self.cancelled,
        }
    }

    /// Counts outcomes that were inserted, all of this batch, each for the first time. `start` is when the first item
    /// of the batch was dispatched. Answers how many.
    pub fn settle<'a>(
        &mut self,
        inserted: impl IntoIterator<Item = &'a Outcome>,
        now: Timestamp,
        start: Timestamp,
    ) -> u32 {
        let before = self.settled();
        for outcome in inserted {
            self.detail.attempts += u64::from(outcome.attempt);
            match &outcome.ending {
                Ending::Succeeded(_) => self.succeeded += 1,
                Ending::Cancelled => self.cancelled += 1,
                Ending::Failed(error) => {
                    self.failed += 1;
                    self.detail.count_error(outcome.index, error);
                }
            }
            // An outcome that nobody ran has no duration.
            if outcome.worker.is_some() {
                self.detail.duration_us = self.detail.duration_us.saturating_add(outcome.duration_us);
                self.detail.durations.record(outcome.duration_us);
            }
        }
        let settled = self.settled() - before;
        if settled > 0 {
            self.detail.pace.observe(settled, now, start);
        }
        settled
    }

    /// How fast it goes, in items per second: of late while it runs, over the whole run once it ended.
    #[must_use]
    pub fn rate_per_s(&self, started_at: Option<Timestamp>, completed_at: Option<Timestamp>) -> f64 {
        let Some(completed_at) = completed_at else {
            return self.detail.pace.rate_per_s();
        };
        let ran_s = started_at.map_or(0.0, |start| completed_at.duration_since(start).as_secs_f64());
        if ran_s > 0.0 {
            f64::from(self.settled()) / ran_s
        } else {
            0.0
        }
    }

    /// How long a handler takes for an item, on average. `None` before one was handled.
    #[must_use]
    pub fn item_time(&self) -> Option<Duration> {
        let handled = self.detail.durations.count();
        (handled > 0).then(|| Duration::from_micros(self.detail.duration_us / handled))
    }

    /// The result of a batch of `total` items, all of them settled.
    #[must_use]
    pub fn result(
        &self,
        batch: BatchId,
        revision: u32,
        total: u32,
        created_at: Timestamp,
        now: Timestamp,
    ) -> BatchResult {
        let percentile = |share| self.detail.durations.percentile(share).map(millis);
        BatchResult {
            batch_id: batch,
            revision,
            total_time_ms: u64::try_from(now.duration_since(created_at).as_millis()).unwrap_or(0),
            avg_item_time_ms: millis(self.detail.duration_us) / f64::from(total.max(1)),
            success_rate: if total == 0 {
                1.0
            } else {
                f64::from(self.succeeded) / f64::from(total)
            },
            result_summary: ResultSummary {
                total,
                succeeded: self.succeeded,
                failed: self.failed,
                cancelled: self.cancelled,
                attempts: self.detail.attempts,
                p50_ms: percentile(0.50),
                p95_ms: percentile(0.95),
                p99_ms: percentile(0.99),
                errors: self.detail.error_groups(),
            },
            created_at: now,
        }
    }
}

/// What the counts need to know of an outcome that is taken back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ended {
    /// How it ended.
    pub state: ItemState,
    /// Which attempt it was.
    pub attempt: u16,
    /// How long it took, in microseconds.
    pub duration_us: u64,
    /// False where it was decided without running it.
    pub ran: bool,
}

impl TallyDetail {
    /// Replaces the error groups by those of the failures that are left: fingerprint, how many, the lowest index and
    /// the message there; in the order of that index.
    pub fn recount_errors(&mut self, groups: impl IntoIterator<Item = (String, ErrorTally)>) {
        self.errors.clear();
        for (mut key, mut found) in groups {
            if !self.errors.contains_key(&key) && self.errors.len() >= MAX_ERROR_GROUPS {
                OTHER_ERRORS.clone_into(&mut key);
            }
            let end = found.sample.floor_char_boundary(MAX_SAMPLE);
            found.sample.truncate(end);
            self.errors
                .entry(key)
                .and_modify(|group| group.count += found.count)
                .or_insert(found);
        }
    }

    fn count_error(&mut self, index: ItemIndex, error: &ItemError) {
        let mut key = error.fingerprint();
        if !self.errors.contains_key(&key) && self.errors.len() >= MAX_ERROR_GROUPS {
            OTHER_ERRORS.clone_into(&mut key);
        }
        let group = self.errors.entry(key).or_default();
        if group.count == 0 || index < group.first {
            let end = error.message.floor_char_boundary(MAX_SAMPLE);
            error.message[..end].clone_into(&mut group.sample);
            group.first = index;
        }
        group.count += 1;
    }

    /// The groups, largest first.
    #[must_use]
    pub fn error_groups(&self) -> Vec<ErrorGroup> {
        let mut groups: Vec<_> = self
            .errors
            .iter()
            .map(|(fingerprint, group)| ErrorGroup {
                fingerprint: fingerprint.clone(),
                count: group.count,
                sample: group.sample.clone(),
            })
            .collect();
        groups.sort_by(|a, b| {
            b.count
                .cmp(&a.count)
                .then_with(|| a.fingerprint.cmp(&b.fingerprint))
        });
        groups
    }
}

#[expect(clippy::cast_precision_loss, reason = "exact up to 285 years")]
fn millis(us: u64) -> f64 {
    us as f64 / 1000.0
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::ids::WorkerId;
    use crate::json::Json;
    use crate::outcome::{ItemErrorKind, Output};

    fn outcome(index: u32, kind: u8) -> Outcome {
        Outcome {
            batch: BatchId(uuid::Uuid::nil()),
            index,
            attempt: 1 + u16::from(kind % 3),
            ending: match kind % 4 {
                0 => Ending::Failed(ItemError::new(
                    ItemErrorKind::Handler,
                    format!("{} broke", "x".repeat(kind.into())),
                )),
                1 => Ending::Cancelled,
                _ => Ending::Succeeded(Output::Inline(Json::null())),
            },
            started_at: Timestamp::UNIX_EPOCH,
            duration_us: u64::from(kind) * 100,
            worker: (kind % 4 != 1).then(|| WorkerId("w".into())),
            artifacts: Vec::new(),
        }
    }

    proptest! {
        /// However outcomes are cut into transactions, the counts and the result are those of the whole.
        #[test]
        fn grouping_does_not_matter(kinds in prop::collection::vec(any::<u8>(), 1..400), cut in 1_usize..50) {
            let outcomes: Vec<_> = kinds.iter().enumerate().map(|(i, &k)| outcome(i as u32, k)).collect();
            let total = outcomes.len() as u32;
            let (mut whole, mut parts) = (Tally::default(), Tally::default());
            let now = Timestamp::UNIX_EPOCH;
            whole.settle(&outcomes, now, now);
            let settled: u32 = outcomes.chunks(cut).map(|chunk| parts.settle(chunk, now, now)).sum();
            prop_assert_eq!(settled, total);
            let result = whole.result(BatchId(uuid::Uuid::nil()), 1, total, now, now);
            prop_assert_eq!(&result, &parts.result(BatchId(uuid::Uuid::nil()), 1, total, now, now));
            prop_assert_eq!(whole.settled(), total);
            let grouped: u32 = result.result_summary.errors.iter().map(|group| group.count).sum();
            prop_assert_eq!(grouped, whole.failed);
            let mut backwards = Tally::default();
            backwards.settle(outcomes.iter().rev(), now, now);
            if result.result_summary.errors.len() <= MAX_ERROR_GROUPS {
                let summary = backwards.result(BatchId(uuid::Uuid::nil()), 1, total, now, now).result_summary;
                prop_assert_eq!(&summary, &result.result_summary, "nor does their order");
            }
            prop_assert!(result.result_summary.errors.len() <= MAX_ERROR_GROUPS + 1);
        }

        /// What is taken back leaves no trace in the counts.
        #[test]
        fn reopening_undoes_settling(kinds in prop::collection::vec(any::<u8>(), 1..100), back in 0_usize..100) {
            let outcomes: Vec<_> = kinds.iter().enumerate().map(|(i, &k)| outcome(i as u32, k)).collect();
            let (kept, reopened) = outcomes.split_at(back.min(outcomes.len()));
            let now = Timestamp::UNIX_EPOCH;
            let (mut whole, mut only) = (Tally::default(), Tally::default());
            whole.settle(&outcomes, now, now);
            only.settle(kept, now, now);
            for outcome in reopened {
                whole.reopen(&Ended {
                    state: outcome.ending.state(),
                    attempt: outcome.attempt,
                    duration_us: outcome.duration_us,
                    ran: outcome.worker.is_some(),
                });
            }
            prop_assert_eq!(whole.retrying as usize, reopened.len());
            let errors = only.detail.errors.clone();
            let in_order = { let mut all: Vec<_> = errors.into_iter().collect(); all.sort_by_key(|(_, group)| group.first); all };
            whole.detail.recount_errors(in_order);
            let summary = |tally: &Tally| tally.result(BatchId(uuid::Uuid::nil()), 1, 100, now, now).result_summary;
            prop_assert_eq!(summary(&whole), summary(&only));
        }

        /// Counts add up to the total at any point.
        #[test]
        fn counts_add_up(total in 0_u32..1000, dispatched in 0_u32..1000, settled in 0_u32..1000, retrying in 0_u32..1000) {
            let dispatched = dispatched.min(total);
            let settled = settled.min(dispatched);
            let retrying = retrying.min(dispatched - settled);
            let tally = Tally { succeeded: settled, retrying, ..Tally::default() };
            let mut counts = tally.counts(total, dispatched);
            counts.mark_processing(7);
            let sum = counts.pending + counts.queued + counts.processing + counts.retrying + counts.waiting + counts.settled();
            prop_assert_eq!(sum, total);
        }
    }
}

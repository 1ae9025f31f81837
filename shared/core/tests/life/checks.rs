//! What is true at every moment.

use std::collections::BTreeMap;

use flotilla_core::batch::BatchState;
use flotilla_core::item::ItemState;
use flotilla_core::place::{MAX_LOSSES, Whereabouts};
use flotilla_core::tally::Tally;

use super::model::Model;

impl Model {
    /// Everything that is stored agrees with everything else that is.
    pub(crate) fn check(&self) {
        self.check_counts();
        self.check_rows();
        self.check_end();
    }

    /// The counts are those of the items.
    fn check_counts(&self) {
        let record = &self.record;
        let mut found = BTreeMap::<&str, u32>::new();
        for index in 0..record.total {
            let place = self.place(index);
            let name = match place.at {
                Whereabouts::Pending | Whereabouts::Returned => "pending",
                Whereabouts::Dispatched | Whereabouts::Leased => "queued",
                Whereabouts::Retrying => "retrying",
                Whereabouts::Waiting => "waiting",
                Whereabouts::Settled => self.outcomes[&index].ending.state().as_str(),
            };
            *found.entry(name).or_default() += 1;
        }
        let counts = record.tally.counts(record.total, record.next_index);
        let counted = [
            ("pending", counts.pending),
            ("queued", counts.queued),
            ("retrying", counts.retrying),
            ("waiting", counts.waiting),
            ("succeeded", counts.succeeded),
            ("failed", counts.failed),
            ("cancelled", counts.cancelled),
        ];
        for (name, count) in counted {
            let found = found.get(name).copied().unwrap_or(0);
            assert_eq!(count, found, "{name} of {counts:?}");
        }
        let sum: u32 = counted.iter().map(|(_, count)| count).sum();
        assert_eq!((sum, counts.total), (record.total, record.total));
    }

    /// Each item has the rows of where it is, and no others; and is within its budget.
    fn check_rows(&self) {
        for index in 0..self.record.total {
            let place = self.place(index);
            let rows = (
                self.due.contains_key(&index),
                self.leases.contains_key(&index),
                self.outcomes.contains_key(&index),
            );
            let expected = (
                place.at.is_due(),
                place.at.is_leased(),
                place.at == Whereabouts::Settled,
            );
            assert_eq!(rows, expected, "rows of item {index}, which is {place:?}");
            let pending = index >= self.record.next_index;
            assert_eq!(place.at == Whereabouts::Pending, pending, "item {index}");
            assert!(place.attempt <= place.last_attempt, "{place:?}");
            assert!(
                place.losses < MAX_LOSSES || place.at == Whereabouts::Settled,
                "{place:?}"
            );
            let failed = self
                .outcomes
                .get(&index)
                .is_some_and(|outcome| outcome.ending.state() == ItemState::Failed);
            assert_eq!(self.dead.contains(&index), failed, "dead letter of item {index}");
        }
    }

    /// A batch has ended when its items have, with one result each time; the latest says what the rows say.
    fn check_end(&self) {
        let record = &self.record;
        let done = record.tally.settled() == record.total;
        assert_eq!(
            record.state.is_final(),
            done,
            "{} with {:?}",
            record.state,
            record.tally
        );
        assert_eq!(record.completed_at.is_some(), done);
        assert_eq!(
            record.halted_at.is_some(),
            matches!(
                record.state,
                BatchState::Cancelling | BatchState::Cancelled | BatchState::Failed
            )
        );
        assert_eq!(
            record.state == BatchState::Paused,
            record.control.paused.is_some()
        );
        let revisions: Vec<_> = self.results.iter().map(|result| result.revision).collect();
        assert_eq!(revisions, (1..=record.revision).collect::<Vec<_>>());
        let Some(result) = self.results.last().filter(|_| done) else {
            return;
        };
        let mut rows = Tally::default();
        rows.settle(self.outcomes.values(), record.created_at, record.created_at);
        let expected = rows.result(
            record.id,
            record.revision,
            record.total,
            record.created_at,
            result.created_at,
        );
        assert_eq!(*result, expected, "the result is that of the rows");
    }
}

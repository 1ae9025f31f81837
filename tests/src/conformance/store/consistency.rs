//! What is true of every batch at every moment.

use std::collections::HashMap;

use flotilla_core::batch::{Batch, Counts};
use flotilla_core::dead_letter::DeadFilter;
use flotilla_core::ids::BatchId;
use flotilla_core::item::{Item, ItemState};
use flotilla_core::place::Whereabouts;

use super::fixture::Fixture;

impl Fixture {
    /// Promise P3: what the batch counts is what its rows say, and its result, if it has ended, says the same.
    pub async fn assert_consistent(&self, id: BatchId) {
        let (counts, batch, items) = (self.counts(id).await, self.batch(id).await, self.items(id).await);
        assert_eq!(counts, counted(&items), "counts and rows");
        for item in &items {
            let at = self.place(id, item.index).await.at;
            let going_on = (!item.state.is_terminal()).then_some(item.state);
            assert_eq!(state_of(at), going_on, "{item:?} is {at:?}");
        }
        self.assert_ended_once(&batch).await;
        let audit = self.store.audit(&self.space, id).await.expect("audits");
        let audit = audit.expect("what is there can be audited");
        assert_eq!((audit.findings(), audit.rows.counts()), (vec![], counts));
        assert_eq!((audit.batch.id, audit.result), (id, self.result(id).await));
        let filter = DeadFilter {
            batch: Some(id),
            ..DeadFilter::default()
        };
        let dead = self.store.dead_letters(&self.space, &filter, 1_000_000).await;
        for letter in dead.expect("lists dead letters") {
            let item = &items[letter.index as usize];
            assert_eq!(item.state, ItemState::Failed, "a dead letter of {item:?}");
        }
    }

    /// There is one result per revision, and the latest says what the counts of a batch that ended say.
    async fn assert_ended_once(&self, batch: &Batch) {
        let counts = batch.counts;
        let done = counts.settled() == counts.total;
        assert_eq!(batch.state.is_final(), done, "{:?} with {counts:?}", batch.state);
        assert_eq!(batch.completed_at.is_some(), done, "it has an end when it ended");
        let latest = self.result(batch.id).await;
        assert_eq!(
            latest.as_ref().map_or(0, |result| result.revision),
            batch.revision
        );
        for revision in 0..=batch.revision + 1 {
            let result = self.store.result(&self.space, batch.id, Some(revision)).await;
            let found = result.expect("reads a result").map(|result| result.revision);
            let exists = (1..=batch.revision).contains(&revision);
            assert_eq!(found, exists.then_some(revision));
        }
        if !done {
            return;
        }
        let summary = latest.expect("there is a result of what ended").result_summary;
        let summed = (
            summary.total,
            summary.succeeded,
            summary.failed,
            summary.cancelled,
        );
        let counted = (counts.total, counts.succeeded, counts.failed, counts.cancelled);
        assert_eq!(summed, counted, "result and counts");
        let grouped: u32 = summary.errors.iter().map(|group| group.count).sum();
        assert_eq!(grouped, counts.failed, "error groups and counts");
        let attempts: u64 = self
            .items(batch.id)
            .await
            .iter()
            .map(|item| u64::from(item.attempts))
            .sum();
        assert_eq!(summary.attempts, attempts, "attempts and rows");
    }
}

/// The state of an item that has not ended.
fn state_of(at: Whereabouts) -> Option<ItemState> {
    match at {
        Whereabouts::Pending | Whereabouts::Returned => Some(ItemState::Pending),
        Whereabouts::Dispatched | Whereabouts::Leased => Some(ItemState::Queued),
        Whereabouts::Retrying => Some(ItemState::Retrying),
        Whereabouts::Waiting => Some(ItemState::Waiting),
        Whereabouts::Settled => None,
    }
}

fn counted(items: &[Item]) -> Counts {
    let mut rows = HashMap::<ItemState, u32>::new();
    for item in items {
        *rows.entry(item.state).or_default() += 1;
    }
    let of = |state| rows.get(&state).copied().unwrap_or(0);
    Counts {
        total: rows.values().sum(),
        pending: of(ItemState::Pending),
        queued: of(ItemState::Queued),
        processing: 0,
        retrying: of(ItemState::Retrying),
        waiting: of(ItemState::Waiting),
        succeeded: of(ItemState::Succeeded),
        failed: of(ItemState::Failed),
        cancelled: of(ItemState::Cancelled),
    }
}

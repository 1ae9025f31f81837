//! Callers that go away in the middle of a call.

use std::future::Future;

use flotilla_core::ids::BatchId;
use flotilla_core::limits::Ceilings;
use flotilla_core::ports::store::NewBatch;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use tokio::task::yield_now;

use super::fixture::{Fixture, LEASE};
use super::samples::{at_once, inputs, spec, success, want};

/// Every call may be the last thing that a caller does. What it leaves is all of the call or nothing, the store goes on,
/// and everything that was accepted ends.
pub async fn dropped_calls_leave_all_or_nothing(t: Fixture) {
    let batches = at_once(4, |_| {
        let t = t.clone();
        async move {
            let mut patience = Patience::new();
            let mut batches = Vec::new();
            for _ in 0..12 {
                batches.push(impatient_upload(&t, &mut patience).await);
            }
            for id in batches.iter().cycle().take(120) {
                impatient_work(&t, *id, &mut patience).await;
            }
            batches
        }
    })
    .await;
    for id in batches.into_iter().flatten() {
        t.finish(id).await;
        assert_eq!(t.items(id).await.len(), 20);
    }
}

/// Repeats each step until it is known to be done, as a caller would that was cut off.
async fn impatient_upload(t: &Fixture, patience: &mut Patience) -> BatchId {
    let new = t.new_batch();
    let new = NewBatch {
        idempotency_key: Some(new.id.to_string()),
        ..new
    };
    while patience.run(t.store.open_batch(new.clone())).await.is_none() {}
    loop {
        // What was cut off may still be happening: then this append is in its way, or it is in the way of this one.
        let stored = t.counts(new.id).await.total;
        if stored == 20 {
            break;
        }
        assert_eq!(stored % 5, 0, "a chunk is stored whole");
        let chunk = inputs(stored..stored + 5);
        patience.run(t.store.append_items(new.id, stored, chunk)).await;
    }
    while patience
        .run(t.store.seal_batch(new.id, spec(), t.now()))
        .await
        .is_none()
    {}
    new.id
}

/// One of everything that happens while a batch runs.
async fn impatient_work(t: &Fixture, id: BatchId, patience: &mut Patience) {
    let ceilings = Ceilings::default();
    let wants = [want(id, 3)];
    let claim = t.store.claim(&wants, &ceilings, LEASE, t.now());
    let claims = patience.run(claim).await;
    let claims = claims.and_then(Result::ok).unwrap_or_default();
    if patience.number().is_multiple_of(3) {
        patience.run(t.store.redispatch_unsettled(id, t.now())).await;
    }
    let ids: Vec<_> = claims.iter().map(|claim| claim.id).collect();
    patience.run(t.store.mark_published(&ids)).await;
    let outcomes: Vec<_> = (0..20)
        .filter(|_| patience.number().is_multiple_of(7))
        .map(|i| success(id, i))
        .collect();
    patience.run(t.store.record(outcomes, t.now())).await;
}

/// Waits for a call for a random while.
struct Patience(TestRunner);

impl Patience {
    fn new() -> Self {
        Self(TestRunner::deterministic())
    }

    fn number(&mut self) -> u32 {
        any::<u32>().new_tree(&mut self.0).expect("any number").current()
    }

    /// What `call` returns; nothing, where it was dropped before. Once in four times it is never dropped.
    async fn run<F: Future>(&mut self, call: F) -> Option<F::Output> {
        let turns = match self.number() % 4 {
            0 => u32::MAX,
            1 => self.number() % 4,
            2 => self.number() % 64,
            _ => self.number() % 1_024,
        };
        let given_up = async {
            for _ in 0..turns {
                yield_now().await;
            }
        };
        tokio::select! {
            output = call => Some(output),
            () = given_up => None,
        }
    }
}

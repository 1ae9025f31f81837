//! Callers that go away in the middle of a call.

use std::future::Future;
use std::time::Duration;

use flotilla_core::attempt::Attempt;
use flotilla_core::command::{Command, Selection};
use flotilla_core::ids::{BatchId, ItemIndex};
use flotilla_core::item::ItemState;
use flotilla_core::limits::Ceilings;
use flotilla_core::ports::store::{Appending, NewBatch, Want};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use tokio::task::yield_now;

use super::fixture::{Fixture, LEASE, somebody};
use super::samples::{at_once, failure, inputs, leased, lost, nth, released, retry, spec, success, waiting};

/// Every call may be the last thing that a caller does. What it leaves is all of the call or nothing, the store goes on,
/// and everything that was accepted ends.
pub async fn dropped_calls_leave_all_or_nothing(t: Fixture) {
    let batches = at_once(4, |_| {
        let t = t.clone();
        async move {
            let mut patience = Patience::new();
            let mut batches = Vec::new();
            for _ in 0..6 {
                batches.push(impatient_upload(&t, &mut patience).await);
            }
            for id in batches.iter().cycle().take(90) {
                impatient_work(&t, *id, &mut patience).await;
                impatient_steering(&t, *id, &mut patience).await;
                t.counts(*id).await;
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
    let wants = [Want {
        batch: id,
        items: 3,
        suspects: 1,
    }];
    let claim = t.store.claim(&wants, &ceilings, LEASE, t.now());
    let claims = patience.run(claim).await;
    let claims = claims.and_then(Result::ok).unwrap_or_default();
    if patience.one_in(3) {
        patience.run(t.store.redispatch_unsettled(id, t.now())).await;
    }
    if patience.one_in(9) {
        t.advance(Duration::from_secs(20));
        patience.run(t.store.expire_leases(3, t.now())).await;
    }
    let ids: Vec<_> = claims.iter().map(|claim| claim.id).collect();
    patience.run(t.store.mark_published(&ids)).await;
    let mut attempts = Vec::new();
    for index in 0..20 {
        if patience.one_in(5) {
            attempts.push(anything(id, index, patience));
        }
    }
    patience.run(t.store.record(attempts, t.now())).await;
}

/// Whatever may be told of one of the first attempts at an item.
fn anything(id: BatchId, index: ItemIndex, patience: &mut Patience) -> Attempt {
    let told = match patience.number() % 9 {
        0 => failure(id, index, "no"),
        1 | 2 => retry(id, index, "busy"),
        3 => waiting(id, index),
        4 => leased(id, index, LEASE),
        5 => released(id, index),
        6 => lost(id, index),
        _ => success(id, index),
    };
    nth(1 + u16::from(patience.one_in(3)), told)
}

/// What people and reconcilers do meanwhile.
async fn impatient_steering(t: &Fixture, id: BatchId, patience: &mut Patience) {
    let (store, space, by) = (&t.store, &t.space, somebody());
    let command = match patience.number() % 12 {
        0 => Command::Pause,
        1 => Command::Cancel,
        2 => Command::Run { concurrency: Some(9) },
        _ => Command::Resume,
    };
    patience
        .run(store.command(space, id, &command, &by, t.now()))
        .await;
    let since = t.now() + LEASE;
    patience.run(store.sweep(id, 7, since, t.now())).await;
    if patience.one_in(6) {
        let selection = Selection {
            states: vec![ItemState::Failed, ItemState::Cancelled],
            ..Selection::default()
        };
        let reopened = store.reopen(space, id, &selection, false, &by, t.now());
        patience.run(reopened).await;
    }
}

/// An append is kept as a whole or not at all, whichever of its calls was the last.
pub async fn dropped_appends_leave_all_or_nothing(t: Fixture) {
    let mut patience = Patience::new();
    for _ in 0..6 {
        let id = t.uploaded(vec![]).await;
        t.store.keep_open(id, spec(), t.now()).await.expect("stays open");
        for _ in 0..20 {
            // Long enough for whatever was cut off to be taken for dead.
            t.advance(LEASE * 2);
            let begun = t.store.begin_append(&t.space, id, LEASE, t.now());
            let Some(Ok(Appending::Ready { first, .. })) = patience.run(begun).await else {
                continue;
            };
            assert_eq!(first % 5, 0, "what is there was appended whole");
            for chunk in [first..first + 3, first + 3..first + 5] {
                let append = t.store.append_items(id, chunk.start, inputs(chunk));
                patience.run(append).await;
            }
            // Only where all of it is known to be there.
            let rest = t.store.append_items(id, first + 5, vec![]).await;
            let ended = t.store.end_append(id, first, rest.is_ok(), t.now());
            patience.run(ended).await;
            assert_eq!(t.counts(id).await.total % 5, 0);
        }
        t.advance(LEASE * 2);
        t.done(id, &Command::Seal).await;
        assert_eq!(t.items(id).await.len() % 5, 0);
        t.finish(id).await;
    }
}

/// Whoever goes on where a removal was cut off removes the rest, and nothing of others.
pub async fn dropped_removals_go_on(t: Fixture) {
    let mut patience = Patience::new();
    let other = t.failed(&["no"; 9]).await;
    for _ in 0..6 {
        let id = t.failed(&["no"; 9]).await;
        let delete = Command::Delete { force: false };
        while t.store.batch(&t.space, id).await.expect("reads").is_some() {
            let by = somebody();
            let deleted = t.store.command(&t.space, id, &delete, &by, t.now());
            patience.run(deleted).await;
        }
        let mut turns = 0;
        while !matches!(patience.run(t.store.purge(id, 4)).await, Some(Ok(true))) {
            turns += 1;
            assert!(turns < 1_000, "it does not end");
        }
        assert_eq!(t.store.place(id, 0).await.expect("reads"), None);
    }
    assert_eq!(t.store.deleted_batches(9).await.expect("lists"), []);
    assert_eq!(t.items(other).await.len(), 9);
    t.assert_consistent(other).await;
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

    fn one_in(&mut self, times: u32) -> bool {
        self.number().is_multiple_of(times)
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

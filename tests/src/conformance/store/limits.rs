//! What bounds how much of a batch goes out.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use flotilla_core::batch::{BatchState, Start};
use flotilla_core::command::{Change, Command};

use super::fixture::Fixture;
use super::samples::{at_once, indexes, lost, retry, success, waiting};

/// What is in flight is never more than the batch allows, and room is used as it comes.
pub async fn concurrency_is_a_bound(t: Fixture) {
    let id = t.sealed_as(10, |spec| spec.concurrency = Some(3)).await;
    let claims = t.claim(id, 100).await;
    assert_eq!(indexes(&claims), [0, 1, 2]);
    assert!(t.claim(id, 100).await.is_empty());
    t.publish(&claims).await;
    assert!(t.claim(id, 100).await.is_empty(), "published is still in flight");
    t.record(vec![success(id, 1), success(id, 2)]).await;
    assert_eq!(indexes(&t.claim(id, 100).await), [3, 4]);
    t.finish(id).await;
}

/// Also while several publishers claim and workers report at the same time.
pub async fn concurrent_claims_keep_the_bound(t: Fixture) {
    const ITEMS: u32 = 150;
    let id = t.sealed_as(ITEMS, |spec| spec.concurrency = Some(7)).await;
    let held = Arc::new(Mutex::new((0_usize, 0_usize)));
    at_once(8, |_| {
        let (t, held) = (t.clone(), Arc::clone(&held));
        async move {
            while t.batch(id).await.counts.settled() < ITEMS {
                let got = indexes(&t.claim(id, 4).await);
                {
                    let mut held = held.lock().expect("not poisoned");
                    held.0 += got.len();
                    held.1 = held.1.max(held.0);
                }
                tokio::task::yield_now().await;
                // Given back before the store knows: what is counted here is never more than what is in flight.
                held.lock().expect("not poisoned").0 -= got.len();
                t.record(got.into_iter().map(|index| success(id, index)).collect())
                    .await;
            }
        }
    })
    .await;
    let most = held.lock().expect("not poisoned").1;
    assert!((1..=7).contains(&most), "{most} items were in flight at once");
    t.assert_consistent(id).await;
}

/// Attempts that are due again need room as new items do.
pub async fn retries_are_within_the_bound(t: Fixture) {
    let id = t.sealed_as(10, |spec| spec.concurrency = Some(2)).await;
    assert_eq!(t.sent(id, 9).await, [0, 1]);
    t.record(vec![retry(id, 0, "busy"), retry(id, 1, "busy")]).await;
    assert_eq!(t.sent(id, 9).await, [2, 3], "their rest leaves room");
    t.advance(Duration::from_secs(60));
    assert!(t.sent(id, 9).await.is_empty());
    t.record(vec![success(id, 2)]).await;
    assert_eq!(t.sent(id, 9).await.len(), 1);
    assert_eq!(t.supply(id).await.in_flight, 2);
    t.finish(id).await;
}

/// Nobody works on an item that waits for its callback.
pub async fn what_waits_leaves_its_room(t: Fixture) {
    let id = t.sealed_as(3, |spec| spec.concurrency = Some(1)).await;
    assert_eq!(t.sent(id, 9).await, [0]);
    t.record(vec![waiting(id, 0)]).await;
    assert_eq!(t.sent(id, 9).await, [1]);
    t.finish(id).await;
}

/// Those that run alone and those that do not, wanted in one call.
pub async fn suspects_share_the_room_of_their_batch(t: Fixture) {
    let id = t.sealed_as(20, |spec| spec.concurrency = Some(4)).await;
    t.sent(id, 4).await;
    t.record((0..4).map(|index| lost(id, index)).collect()).await;
    let claims = t.claim_of(id, 3, 3).await;
    assert_eq!(indexes(&claims).len(), 4);
    assert_eq!(t.supply(id).await.in_flight, 4);
    assert_eq!(t.claim_of(id, 9, 9).await, []);
}

/// A tighter bound keeps new items back, a wider one lets them go; what runs is left alone.
pub async fn a_changed_bound_holds_from_the_next_claim(t: Fixture) {
    let id = t.sealed_as(20, |spec| spec.concurrency = Some(4)).await;
    t.sent(id, 9).await;
    let to = |concurrency| {
        Command::Change(Change {
            concurrency: Some(concurrency),
            ..Change::default()
        })
    };
    let tighter = t.done(id, &to(Some(2))).await;
    assert_eq!((tighter.epoch, tighter.spec.concurrency), (1, Some(2)));
    t.record(vec![success(id, 0), success(id, 1)]).await;
    assert_eq!(t.claim(id, 9).await, [], "two are in flight");
    assert_eq!(
        t.done(id, &to(Some(5))).await.epoch,
        1,
        "nothing has to come back"
    );
    let claims = t.claim(id, 9).await;
    assert_eq!((indexes(&claims).len(), claims[0].epoch), (3, 1));
    t.done(id, &to(None)).await;
    assert_eq!(t.claim(id, 99).await[0].items.len(), 13);
}

/// Neither new items nor those that come back; all of them afterwards.
pub async fn nothing_goes_out_while_paused(t: Fixture) {
    let id = t.sealed(6).await;
    t.sent(id, 3).await;
    t.record(vec![retry(id, 0, "busy"), lost(id, 1)]).await;
    t.done(id, &Command::Pause).await;
    t.advance(Duration::from_secs(60));
    assert_eq!(t.claim_of(id, 9, 9).await, []);
    assert_eq!(t.supply(id).await.ready(t.now()), 0);
    t.done(id, &Command::Resume).await;
    assert_eq!(indexes(&t.claim_of(id, 9, 9).await).len(), 5);
}

/// Neither new items nor those that come back.
pub async fn nothing_goes_out_while_cancelling(t: Fixture) {
    let id = t.sealed(6).await;
    t.sent(id, 3).await;
    t.record(vec![retry(id, 0, "busy"), lost(id, 1)]).await;
    t.done(id, &Command::Cancel).await;
    t.advance(Duration::from_secs(60));
    assert_eq!(t.claim_of(id, 9, 9).await, []);
    t.finish(id).await;
}

/// It waits for a person.
pub async fn a_manual_start_waits_for_somebody(t: Fixture) {
    let id = t.sealed_as(4, |spec| spec.start = Start::Manual).await;
    t.advance(Duration::from_secs(1_000_000));
    assert_eq!(t.claim(id, 9).await, []);
    assert_eq!(t.state(id).await, BatchState::Pending);
    let started = t.done(id, &Command::Run { concurrency: Some(3) }).await;
    assert_eq!(
        (started.state, started.spec.start, started.spec.concurrency),
        (BatchState::Pending, Start::Auto, Some(3))
    );
    assert_eq!(t.sent(id, 9).await, [0, 1, 2]);
    t.finish(id).await;
}

/// Not a moment before.
pub async fn a_start_time_is_kept(t: Fixture) {
    let start = t.now() + Duration::from_secs(60);
    let id = t.sealed_as(4, |spec| spec.start = Start::At(start)).await;
    t.advance(Duration::from_secs(59));
    assert_eq!(t.claim(id, 9).await, []);
    assert_eq!(t.supply(id).await.next_at(t.now()), Some(start));
    t.advance(Duration::from_secs(1));
    assert_eq!(t.sent(id, 9).await.len(), 4);
}

/// Or when somebody does not want to wait for it.
pub async fn a_start_time_is_cut_short_by_hand(t: Fixture) {
    let start = t.now() + Duration::from_secs(60);
    let id = t.sealed_as(4, |spec| spec.start = Start::At(start)).await;
    t.done(id, &Command::Run { concurrency: None }).await;
    assert_eq!(t.sent(id, 9).await.len(), 4);
}

/// No more than the first items, which may be repeated; then it is paused until somebody goes on.
pub async fn a_canary_runs_alone(t: Fixture) {
    let id = t.sealed_as(10, |spec| spec.canary = Some(2)).await;
    assert!(t.batch(id).await.awaits_approval);
    assert_eq!(t.sent(id, 9).await, [0, 1]);
    assert_eq!(t.claim(id, 9).await, []);
    t.record(vec![success(id, 0), retry(id, 1, "busy")]).await;
    t.advance(Duration::from_secs(60));
    assert_eq!(t.sent(id, 9).await, [1], "again");
    assert_eq!(t.state(id).await, BatchState::Processing);
    let paused = t.record(vec![super::samples::nth(2, success(id, 1))]).await;
    assert_eq!(paused[0].state, BatchState::Paused);
    assert_eq!(t.claim(id, 9).await, []);
    let resumed = t.done(id, &Command::Resume).await;
    assert!(!resumed.awaits_approval);
    assert_eq!(t.sent(id, 9).await, [2, 3, 4, 5, 6, 7, 8, 9]);
    t.finish(id).await;
}

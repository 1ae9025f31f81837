//! Items that wait for a callback, and items that workers keep for long.

use std::time::Duration;

use flotilla_core::attempt::Attempt;
use flotilla_core::item::ItemState;
use flotilla_core::message::{Verdict, Waiting};
use flotilla_core::outcome::ItemErrorKind;
use flotilla_core::place::Whereabouts;

use super::fixture::{Fixture, LEASE};
use super::samples::{
    PATIENCE, REST, attempts, failure, leased, nth, released, retry, success, told, waiting,
};

fn waiting_for(id: flotilla_core::BatchId, index: u32, seconds: u64) -> Attempt {
    let verdict = Verdict::Waiting(Waiting {
        timeout_ms: Some(seconds * 1_000),
        progress: Some(40),
        message: Some("rendering 'é'".into()),
    });
    told(id, index, verdict)
}

/// It is counted as waiting, and its lease says until when, and what is known of it.
pub async fn an_item_waits_for_its_callback(t: Fixture) {
    let id = t.dispatched(2).await;
    let changed = t.record(vec![waiting_for(id, 1, 30)]).await;
    assert_eq!((changed[0].counts.waiting, changed[0].counts.queued), (1, 1));
    let (place, lease) = t.place_and_lease(id, 1).await;
    let lease = lease.expect("it has one");
    assert_eq!((place.at, place.attempt), (Whereabouts::Waiting, 1));
    assert_eq!(
        (
            lease.until,
            lease.progress,
            lease.message.as_deref(),
            lease.worker
        ),
        (
            t.now() + Duration::from_secs(30),
            Some(40),
            Some("rendering 'é'"),
            None
        )
    );
    assert_eq!(t.item(id, 1).await.state, ItemState::Waiting);
    assert_eq!(t.place_and_lease(id, 0).await.1, None);
    t.assert_consistent(id).await;
    t.finish(id).await;
}

/// However long it asks for.
pub async fn no_item_waits_longer_than_its_batch_allows(t: Fixture) {
    let id = t.dispatched(2).await;
    t.record(vec![waiting(id, 0), waiting_for(id, 1, 1_000_000)])
        .await;
    for index in 0..2 {
        assert_eq!(t.lease(id, index).await.until, t.now() + PATIENCE);
    }
}

/// By success or failure; nothing is left of the lease.
pub async fn a_callback_completes_an_item(t: Fixture) {
    let id = t.dispatched(2).await;
    t.record(vec![waiting(id, 0), waiting(id, 1)]).await;
    t.advance(Duration::from_secs(5));
    let ended = t.record(vec![success(id, 0), failure(id, 1, "no")]).await;
    assert_eq!((ended[0].counts.waiting, ended[0].state.is_final()), (0, true));
    assert_eq!(t.place_and_lease(id, 0).await.1, None);
    t.advance(PATIENCE * 2);
    assert_eq!(t.expire_leases().await, []);
    t.assert_consistent(id).await;
}

/// The callback may be faster than the report of the worker.
pub async fn a_callback_may_come_before_the_item_waits(t: Fixture) {
    let id = t.dispatched(2).await;
    t.record(vec![success(id, 0), retry(id, 1, "busy")]).await;
    t.record(vec![waiting(id, 0), waiting(id, 1)]).await;
    let counts = t.counts(id).await;
    assert_eq!((counts.succeeded, counts.retrying, counts.waiting), (1, 1, 0));
    assert_eq!(t.place_and_lease(id, 1).await.1, None);
    t.finish(id).await;
}

/// A callback that says that the attempt failed, and may be repeated.
pub async fn a_callback_may_ask_for_another_attempt(t: Fixture) {
    let id = t.dispatched(1).await;
    t.record(vec![waiting(id, 0)]).await;
    t.record(vec![retry(id, 0, "busy")]).await;
    let (place, lease) = t.place_and_lease(id, 0).await;
    assert_eq!((place.at, place.attempt, lease), (Whereabouts::Retrying, 2, None));
    t.advance(REST);
    assert_eq!(attempts(&t.claim(id, 9).await), [(0, 2)]);
    t.record(vec![waiting(id, 0)]).await;
    assert_eq!(
        t.place(id, 0).await.at,
        Whereabouts::Dispatched,
        "that was the first"
    );
    t.record(vec![nth(2, waiting(id, 0))]).await;
    assert_eq!(t.place(id, 0).await.at, Whereabouts::Waiting);
    t.record(vec![nth(2, success(id, 0))]).await;
    t.assert_consistent(id).await;
}

/// Time begins anew each time it is told.
pub async fn a_lease_is_renewed(t: Fixture) {
    let id = t.dispatched(2).await;
    t.record(vec![waiting_for(id, 0, 60), leased(id, 1, LEASE)]).await;
    let worker = t.lease(id, 1).await.worker;
    assert_eq!(worker.expect("a worker runs it").to_string(), "worker-1");
    for _ in 0..3 {
        t.advance(LEASE / 2);
        let changed = t.record(vec![waiting_for(id, 0, 60), leased(id, 1, LEASE)]).await;
        assert_eq!((changed[0].counts.waiting, changed[0].counts.queued), (1, 1));
        assert_eq!(t.lease(id, 0).await.until, t.now() + Duration::from_secs(60));
        assert_eq!(t.lease(id, 1).await.until, t.now() + LEASE);
        assert_eq!(t.expire_leases().await, []);
    }
    t.finish(id).await;
}

/// It stays counted as dispatched, is not lost, and not taken over.
pub async fn a_worker_keeps_an_item(t: Fixture) {
    let id = t.dispatched(2).await;
    t.record(vec![leased(id, 0, LEASE)]).await;
    assert_eq!(t.counts(id).await.queued, 2);
    assert_eq!(t.place(id, 0).await.at, Whereabouts::Leased);
    assert_eq!(t.redispatch(id).await, 1, "the other one");
    t.record(vec![success(id, 0)]).await;
    assert_eq!(t.place_and_lease(id, 0).await.1, None);
    t.finish(id).await;
}

/// Nobody renewed it: the attempt has failed, and is repeated.
pub async fn a_lease_that_is_over_fails_its_attempt(t: Fixture) {
    let id = t.dispatched(3).await;
    t.record(vec![waiting_for(id, 0, 60), leased(id, 1, LEASE * 4)])
        .await;
    t.advance(Duration::from_secs(60));
    let changed = t.expire_leases().await;
    assert_eq!(changed.len(), 1);
    assert_eq!((changed[0].counts.waiting, changed[0].counts.retrying), (0, 1));
    assert_eq!(t.expire_leases().await, [], "the other one has time");
    let tried = t.store.tried(&t.space, id, 0).await.expect("reads");
    assert_eq!((tried.len(), tried[0].attempt), (1, 1));
    t.advance(LEASE * 2);
    assert_eq!(t.expire_leases().await.len(), 1);
    assert_eq!(t.place(id, 1).await.at, Whereabouts::Retrying);
    t.record(vec![waiting(id, 0), leased(id, 1, LEASE)]).await;
    assert_eq!(t.counts(id).await.retrying, 2, "told too late");
    t.advance(REST);
    let mut again = attempts(&t.claim(id, 9).await);
    again.sort_unstable();
    assert_eq!(again, [(0, 2), (1, 2)]);
    t.finish(id).await;
}

/// After its last attempt it has failed.
pub async fn the_last_lease_that_is_over_fails_its_item(t: Fixture) {
    let id = t.dispatched_as(1, |spec| spec.max_attempts = 2).await;
    t.record(vec![retry(id, 0, "busy")]).await;
    t.advance(REST);
    t.sent(id, 1).await;
    t.record(vec![nth(2, waiting(id, 0))]).await;
    let place = t.place(id, 0).await;
    assert_eq!((place.attempt, place.last_attempt), (2, 2));
    t.advance(PATIENCE);
    let ended = t.expire_leases().await;
    assert_eq!((ended[0].counts.failed, ended[0].state.is_final()), (1, true));
    let error = t.item(id, 0).await.error.expect("it says why");
    assert_eq!(error.kind, ItemErrorKind::Timeout, "{error:?}");
    t.assert_consistent(id).await;
}

/// In turns of a size that the caller can bear.
pub async fn leases_are_ended_in_turns(t: Fixture) {
    let id = t.dispatched(5).await;
    t.record((0..5).map(|index| waiting(id, index)).collect()).await;
    t.advance(PATIENCE);
    for left in [3, 1, 0] {
        let changed = t.store.expire_leases(2, t.now()).await.expect("expires");
        assert_eq!(changed[0].counts.waiting, left);
    }
    assert_eq!(t.store.expire_leases(2, t.now()).await.expect("expires"), []);
    t.finish(id).await;
}

/// Without callbacks it can't.
pub async fn waiting_needs_callbacks(t: Fixture) {
    let id = t.dispatched_as(1, |spec| spec.callback_timeout = None).await;
    t.record(vec![waiting(id, 0)]).await;
    let item = t.item(id, 0).await;
    let kind = item.error.expect("it says why").kind;
    assert_eq!((item.state, kind), (ItemState::Failed, ItemErrorKind::Invalid));
}

/// Nobody has a delivery of what waits, so nobody gives it back.
pub async fn what_waits_is_not_given_back(t: Fixture) {
    let id = t.dispatched(1).await;
    t.record(vec![waiting(id, 0)]).await;
    t.record(vec![released(id, 0), leased(id, 0, LEASE)]).await;
    assert_eq!(t.place(id, 0).await.at, Whereabouts::Waiting);
    assert_eq!(t.redispatch(id).await, 0);
    t.finish(id).await;
}

/// There is no place where there is no item.
pub async fn only_items_have_a_place(t: Fixture) {
    let id = t.sealed(2).await;
    assert_eq!(t.place(id, 1).await.at, Whereabouts::Pending);
    let none = t.store.place(id, 2).await.expect("reads");
    assert_eq!(none, None);
    let none = t.store.place(t.new_batch().id, 0).await.expect("reads");
    assert_eq!(none, None);
}

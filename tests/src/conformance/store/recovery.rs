//! Publishers that die, and brokers that forget.

use std::time::Duration;

use flotilla_core::ports::store::ClaimId;

use super::fixture::{Fixture, LEASE};
use super::samples::{at_once, attempts, indexes, items_of, success};

/// Nobody else has a claim while its lease lasts; then the same items go to one other, for a lease of its own.
pub async fn a_lease_that_is_over_is_taken_over(t: Fixture) {
    let id = t.sealed(10).await;
    let claimed = t.claim(id, 4).await;
    t.advance(LEASE / 2);
    assert_eq!(t.take_over().await, []);
    t.advance(LEASE);
    let taken = t.take_over().await;
    assert_eq!(
        items_of(&taken).collect::<Vec<_>>(),
        items_of(&claimed).collect::<Vec<_>>()
    );
    assert!(
        taken
            .iter()
            .all(|c| c.batch == id && c.space == t.space && c.spec == claimed[0].spec)
    );
    assert_eq!(t.take_over().await, [], "the new lease has begun");
    t.advance(LEASE * 2);
    assert_eq!(indexes(&t.take_over().await), [0, 1, 2, 3], "and ends");
    assert_eq!(t.counts(id).await.queued, 4, "a takeover is no second dispatch");
}

/// What the dead publisher had published, and workers have done, is not done again.
pub async fn only_unsettled_items_are_taken_over(t: Fixture) {
    let id = t.sealed(5).await;
    t.claim(id, 5).await;
    t.record(vec![success(id, 0), success(id, 3)]).await;
    t.advance(LEASE * 2);
    assert_eq!(indexes(&t.take_over().await), [1, 2, 4]);
}

/// Nothing is left to publish.
pub async fn a_settled_claim_is_dropped(t: Fixture) {
    let id = t.sealed(3).await;
    t.claim(id, 2).await;
    t.record(vec![success(id, 0), success(id, 1)]).await;
    t.advance(LEASE * 2);
    assert_eq!(t.take_over().await, []);
    assert_eq!(indexes(&t.claim(id, 5).await), [2]);
    t.record(vec![success(id, 2)]).await;
    t.advance(LEASE * 2);
    assert_eq!(t.take_over().await, []);
    t.assert_consistent(id).await;
}

/// However many there are: what is left of a later one is found.
pub async fn settled_claims_hide_no_others(t: Fixture) {
    let id = t.sealed(8).await;
    for _ in 0..8 {
        t.claim(id, 1).await;
    }
    t.record((0..7).map(|index| success(id, index)).collect()).await;
    t.advance(LEASE * 2);
    let taken = t.store.take_over(LEASE, 2, t.now()).await.expect("takes over");
    assert_eq!(indexes(&taken), [7]);
}

/// A publisher takes what it can hold.
pub async fn a_takeover_is_limited(t: Fixture) {
    let id = t.sealed(9).await;
    for _ in 0..3 {
        t.claim(id, 3).await;
    }
    t.advance(LEASE * 2);
    let mut taken = t.store.take_over(LEASE, 2, t.now()).await.expect("takes over");
    assert_eq!(taken.len(), 2);
    taken.extend(t.take_over().await);
    let mut all = indexes(&taken);
    all.sort_unstable();
    assert_eq!(all, (0..9).collect::<Vec<_>>());
}

/// Of several publishers that find a claim, one gets it.
pub async fn a_claim_is_taken_over_by_one(t: Fixture) {
    let id = t.sealed(60).await;
    for _ in 0..20 {
        t.claim(id, 3).await;
    }
    t.advance(LEASE * 2);
    let taken = at_once(6, |_| {
        let t = t.clone();
        async move { indexes(&t.take_over().await) }
    })
    .await;
    let mut all: Vec<_> = taken.into_iter().flatten().collect();
    all.sort_unstable();
    // Those that two of them met at the same moment are left for the next round.
    all.extend(indexes(&t.take_over().await));
    all.sort_unstable();
    assert_eq!(all, (0..60).collect::<Vec<_>>());
}

/// It is not taken over, however late; ending it again is nothing.
pub async fn a_published_claim_has_ended(t: Fixture) {
    let id = t.sealed(4).await;
    let claims = t.claim(id, 2).await;
    let other = t.claim(id, 2).await;
    t.publish(&claims).await;
    t.publish(&claims).await;
    t.store
        .mark_published(&[ClaimId(i64::MAX)])
        .await
        .expect("ignores it");
    t.store.mark_published(&[]).await.expect("nothing to do");
    t.advance(Duration::from_secs(3_600));
    assert_eq!(indexes(&t.take_over().await), indexes(&other));
}

/// Exactly what was dispatched and has no outcome comes back, once, as the attempt it was.
pub async fn a_lost_broker_is_repaired_once(t: Fixture) {
    let id = t.sealed(10).await;
    let claims = t.claim(id, 6).await;
    t.publish(&claims).await;
    t.record(vec![success(id, 0), success(id, 4)]).await;
    let before = t.batch(id).await;

    assert_eq!(t.redispatch(id).await, 4);
    let counts = t.counts(id).await;
    assert_eq!(
        (counts.pending, counts.queued, counts.retrying, counts.succeeded),
        (8, 0, 0, 2)
    );
    assert!(t.batch(id).await.version > before.version);
    assert_eq!(t.redispatch(id).await, 0, "they wait already");
    t.assert_consistent(id).await;

    let again = t.claim(id, 4).await;
    assert_eq!(attempts(&again), [(1, 1), (2, 1), (3, 1), (5, 1)]);
    let first_time = items_of(&claims).filter(|i| ![0, 4].contains(&i.index));
    assert!(
        items_of(&again)
            .map(|i| &i.input)
            .eq(first_time.map(|i| &i.input))
    );
    let counts = t.counts(id).await;
    assert_eq!((counts.queued, counts.pending), (4, 4));

    t.publish(&again).await;
    assert_eq!(t.redispatch(id).await, 4, "lost once more");
    t.finish(id).await;
}

/// Their publisher is about to publish them, or somebody will take them over.
pub async fn items_under_a_claim_are_not_lost(t: Fixture) {
    let id = t.sealed(10).await;
    let published = t.claim(id, 3).await;
    t.publish(&published).await;
    let held = t.claim(id, 3).await;
    assert_eq!(t.redispatch(id).await, 3);
    let redispatched = t.claim(id, 2).await;
    assert_eq!(indexes(&redispatched), [0, 1]);
    assert_eq!(
        t.redispatch(id).await,
        0,
        "two are claimed again, one still waits"
    );

    t.advance(LEASE * 2);
    let mut taken = indexes(&t.take_over().await);
    taken.sort_unstable();
    let mut expected = [indexes(&redispatched), indexes(&held)].concat();
    expected.sort_unstable();
    assert_eq!(taken, expected);
    t.finish(id).await;
}

/// Also where the batch's concurrency leaves room for a few only.
pub async fn redispatched_items_go_first(t: Fixture) {
    let id = t.sealed_as(10, |spec| spec.concurrency = Some(3)).await;
    let claims = t.claim(id, 3).await;
    t.publish(&claims).await;
    assert_eq!(t.redispatch(id).await, 3);
    assert_eq!(indexes(&t.claim(id, 2).await), [0, 1]);
    assert_eq!(indexes(&t.claim(id, 9).await), [2], "one place was left");
    t.record(vec![success(id, 0), success(id, 1)]).await;
    assert_eq!(indexes(&t.claim(id, 9).await), [3, 4]);
    t.finish(id).await;
}

/// The broker had not lost it after all: it is not dispatched again, and the counts know.
pub async fn a_late_outcome_ends_a_redispatch(t: Fixture) {
    let id = t.dispatched(3).await;
    assert_eq!(t.redispatch(id).await, 3);
    t.record(vec![success(id, 1)]).await;
    let counts = t.counts(id).await;
    assert_eq!((counts.pending, counts.queued, counts.succeeded), (2, 0, 1));
    t.assert_consistent(id).await;
    assert_eq!(indexes(&t.claim(id, 9).await), [0, 2]);

    t.redispatch(id).await;
    t.record((0..3).map(|index| success(id, index)).collect()).await;
    t.assert_consistent(id).await;
    assert!(t.claim(id, 9).await.is_empty());
    assert_eq!(t.redispatch(id).await, 0, "it has ended");
}

/// Other batches, and batches that have dispatched nothing.
pub async fn redispatch_touches_nothing_else(t: Fixture) {
    let (lost, other, idle) = (t.dispatched(3).await, t.dispatched(3).await, t.sealed(3).await);
    let before = (t.batch(other).await.counts, t.batch(idle).await);
    assert_eq!((t.redispatch(lost).await, t.redispatch(idle).await), (3, 0));
    assert_eq!((t.batch(other).await.counts, t.batch(idle).await), before);
    assert_eq!(indexes(&t.claim(idle, 9).await), [0, 1, 2]);
    assert!(t.claim(other, 9).await.is_empty());
}

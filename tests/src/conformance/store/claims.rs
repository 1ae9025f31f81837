//! Handing items to the fleet.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use flotilla_core::batch::BatchState;
use flotilla_core::ports::store::{ActiveBatch, Want};

use super::fixture::{Fixture, LEASE};
use super::samples::{at_once, indexes, inputs, items_of, spec, success};

/// The first items first, as they were submitted, with what the batch is to do.
pub async fn items_come_in_order_and_byte_exact(t: Fixture) {
    let id = t.sealed(10).await;
    let mut claims = t.claim(id, 4).await;
    claims.extend(t.claim(id, 100).await);
    assert_eq!(indexes(&claims), (0..10).collect::<Vec<_>>());
    assert!(
        claims
            .iter()
            .all(|c| c.batch == id && c.space == t.space && c.spec == spec())
    );
    for (claimed, submitted) in items_of(&claims).zip(inputs(0..10)) {
        assert_eq!((claimed.attempt, &claimed.input), (1, &submitted.input));
    }
    assert!(t.claim(id, 1).await.is_empty(), "everything is dispatched");
    assert_eq!(t.counts(id).await.queued, 10);
}

/// A pending batch becomes a processing one, once.
pub async fn the_first_claim_starts_the_batch(t: Fixture) {
    let id = t.sealed(10).await;
    let pending = t.batch(id).await;
    t.advance(Duration::from_secs(1));
    let start = t.now();
    t.claim(id, 3).await;
    let started = t.batch(id).await;
    assert_eq!(
        (started.state, started.started_at),
        (BatchState::Processing, Some(start))
    );
    assert!(started.version > pending.version);
    assert_eq!((started.counts.pending, started.counts.queued), (7, 3));

    t.advance(Duration::from_secs(1));
    t.claim(id, 3).await;
    let later = t.batch(id).await;
    assert_eq!(
        (later.state, later.started_at),
        (BatchState::Processing, Some(start))
    );
    assert_eq!((later.counts.pending, later.counts.queued), (4, 6));
    t.assert_consistent(id).await;
}

/// An open batch, a finished one, a want of nothing, no wants.
pub async fn nothing_is_claimed_from_what_does_not_dispatch(t: Fixture) {
    let open = t.uploaded(inputs(0..3)).await;
    let done = t.sealed(2).await;
    t.finish(done).await;
    let idle = t.sealed(2).await;
    let before = t.batch(idle).await;
    let wants = [(open, 5), (done, 5), (idle, 0)].map(|(batch, items)| Want { batch, items });
    assert_eq!(t.store.claim(&wants, LEASE, t.now()).await.expect("claims"), []);
    assert_eq!(t.store.claim(&[], LEASE, t.now()).await.expect("claims"), []);
    assert_eq!(
        t.batch(idle).await,
        before,
        "an empty claim does not start a batch"
    );
}

/// Each batch gives what was wanted of it.
pub async fn one_call_serves_several_batches(t: Fixture) {
    let (a, b) = (t.sealed(5).await, t.sealed(5).await);
    let wants = [Want { batch: b, items: 2 }, Want { batch: a, items: 9 }];
    let claims = t.store.claim(&wants, LEASE, t.now()).await.expect("claims");
    let of = |batch| {
        indexes(
            &claims
                .iter()
                .filter(|c| c.batch == batch)
                .cloned()
                .collect::<Vec<_>>(),
        )
    };
    assert_eq!((of(a), of(b)), (vec![0, 1, 2, 3, 4], vec![0, 1]));
    let ids: BTreeSet<_> = claims.iter().map(|claim| claim.id).collect();
    assert_eq!(ids.len(), claims.len(), "claims can be told apart");
}

/// Eight publishers share a batch; each item goes to one of them.
pub async fn no_item_is_claimed_twice(t: Fixture) {
    const ITEMS: u32 = 600;
    let id = t.sealed(ITEMS).await;
    let taken = Arc::new(AtomicU32::new(0));
    let claimed = at_once(8, |number| {
        let (t, taken) = (t.clone(), Arc::clone(&taken));
        async move {
            let mut mine = Vec::new();
            while taken.load(Ordering::Relaxed) < ITEMS {
                let claims = t.claim(id, 7 + number).await;
                t.publish(&claims).await;
                let got = indexes(&claims);
                taken.fetch_add(u32::try_from(got.len()).expect("few"), Ordering::Relaxed);
                mine.extend(got);
                tokio::task::yield_now().await;
            }
            mine
        }
    })
    .await;
    let mut all: Vec<_> = claimed.into_iter().flatten().collect();
    all.sort_unstable();
    assert_eq!(all, (0..ITEMS).collect::<Vec<_>>());
    assert_eq!(t.counts(id).await.queued, ITEMS);
}

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

/// However many batches a space or a pool has, those of others are seen.
pub async fn nobody_hides_the_batches_of_others(t: Fixture) {
    let mut crowd = Vec::new();
    for _ in 0..5 {
        crowd.push(t.sealed(3).await);
    }
    let urgent = t.sealed_as(3, |spec| spec.priority = 9).await;
    let stuck = t
        .sealed_as(3, |spec| spec.pool = "gpu".parse().expect("a name"))
        .await;
    let elsewhere = t.in_space("elsewhere").sealed(3).await;
    let seen = async || {
        let active = t.store.active_batches(2).await.expect("reads");
        active.into_iter().map(|batch| batch.id).collect::<Vec<_>>()
    };
    assert_eq!(seen().await, [crowd[0], urgent, stuck, elsewhere]);
    let claims = t.claim(crowd[0], 3).await;
    t.publish(&claims).await;
    assert_eq!(
        seen().await,
        [crowd[0], crowd[1], urgent, stuck, elsewhere],
        "in flight, and so always seen"
    );
}

/// What a publisher needs to know to be fair: of every space, oldest first, with what is ready.
pub async fn active_batches_are_what_can_move(t: Fixture) {
    let elsewhere = t.in_space("elsewhere");
    let first = elsewhere.sealed_as(10, |spec| spec.priority = -7).await;
    let _open = t.uploaded(inputs(0..2)).await;
    let done = t.sealed(1).await;
    t.finish(done).await;
    let limited = t
        .sealed_as(10, |spec| {
            (spec.concurrency, spec.pool) = (Some(4), "gpu".parse().expect("a name"));
        })
        .await;
    assert_eq!(t.store.active_batches(1).await.expect("reads")[0].id, first);

    let claims = t.claim(limited, 3).await;
    t.publish(&claims).await;
    t.record(vec![success(limited, 0)]).await;
    let active = t.store.active_batches(10).await.expect("reads");
    let expected = [
        ActiveBatch {
            id: first,
            space: elsewhere.space.clone(),
            pool: "default".parse().expect("a name"),
            priority: -7,
            in_flight: 0,
            settled: 0,
            ready: 10,
            max_input_bytes: 8,
        },
        ActiveBatch {
            id: limited,
            space: t.space.clone(),
            pool: "gpu".parse().expect("a name"),
            priority: 0,
            in_flight: 2,
            settled: 1,
            ready: 2,
            max_input_bytes: 8,
        },
    ];
    assert_eq!(active, expected);
    assert_eq!(t.redispatch(limited).await, 2);
    let again = &t.store.active_batches(10).await.expect("reads")[1];
    assert_eq!(
        (again.in_flight, again.ready),
        (0, 4),
        "two that wait again and seven new ones, of which four may"
    );
}

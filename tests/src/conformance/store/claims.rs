//! Handing items to the fleet.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use flotilla_core::batch::BatchState;
use flotilla_core::limits::Ceilings;
use flotilla_core::ports::store::Claim;

use super::fixture::Fixture;
use super::samples::{at_once, indexes, inputs, items_of, spec, want};

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
    let wants = [(open, 5), (done, 5), (idle, 0)].map(|(batch, items)| want(batch, items));
    assert_eq!(t.claim_within(&wants, &Ceilings::default()).await, []);
    assert_eq!(t.claim_within(&[], &Ceilings::default()).await, []);
    assert_eq!(
        t.batch(idle).await,
        before,
        "an empty claim does not start a batch"
    );
}

/// Each batch gives what was wanted of it.
pub async fn one_call_serves_several_batches(t: Fixture) {
    let (a, b) = (t.sealed(5).await, t.sealed(5).await);
    let wants = [want(b, 2), want(a, 9)];
    let claims = t.claim_within(&wants, &Ceilings::default()).await;
    let of = |batch| {
        let own = |claim: &&Claim| claim.batch == batch;
        indexes(&claims.iter().filter(own).cloned().collect::<Vec<_>>())
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

//! Items per second, and what all batches of a space or a job type may use together.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use flotilla_core::command::{Change, Command};
use flotilla_core::limits::{Ceiling, Ceilings, Scope};

use super::fixture::{Fixture, LEASE};
use super::samples::{at_once, indexes, retry, success, want};

/// A burst of a quarter of a second, then as time passes.
pub async fn a_rate_is_kept(t: Fixture) {
    let id = t.sealed_as(100, |spec| spec.rate_per_s = Some(40.0)).await;
    assert_eq!(t.sent(id, 99).await.len(), 10);
    assert_eq!(t.claim(id, 99).await, []);
    let next = t.supply(id).await.next_at(t.now()).expect("it will go on");
    assert!(
        t.now() < next && next <= t.now() + Duration::from_millis(26),
        "{next}"
    );
    t.advance(Duration::from_millis(100));
    assert_eq!(t.sent(id, 99).await.len(), 4);
    t.advance(Duration::from_secs(3_600));
    assert_eq!(
        t.sent(id, 99).await.len(),
        10,
        "what was not used is not saved up"
    );
}

/// However many publishers try.
pub async fn concurrent_claims_keep_the_rate(t: Fixture) {
    let id = t.sealed_as(200, |spec| spec.rate_per_s = Some(40.0)).await;
    for _ in 0..5 {
        t.advance(Duration::from_secs(1));
        let sent = at_once(6, |_| {
            let t = t.clone();
            async move { t.sent(id, 4).await.len() }
        })
        .await;
        assert!(sent.iter().sum::<usize>() <= 10, "{sent:?}");
    }
}

/// A second attempt is sent as the first was.
pub async fn retries_count_against_the_rate(t: Fixture) {
    let id = t.sealed_as(20, |spec| spec.rate_per_s = Some(40.0)).await;
    t.sent(id, 99).await;
    t.record((0..10).map(|index| retry(id, index, "busy")).collect())
        .await;
    t.advance(Duration::from_secs(60));
    let claims = t.claim(id, 99).await;
    assert_eq!(indexes(&claims).len(), 10);
    assert!(
        indexes(&claims).iter().all(|index| *index < 10),
        "what is due goes first"
    );
    assert_eq!(t.claim(id, 99).await, []);
}

/// A new rate holds from the next claim.
pub async fn a_changed_rate_holds(t: Fixture) {
    let id = t.sealed_as(100, |spec| spec.rate_per_s = Some(400.0)).await;
    assert_eq!(t.sent(id, 10).await.len(), 10);
    let change = Change {
        rate_per_s: Some(Some(4.0)),
        ..Change::default()
    };
    assert_eq!(t.done(id, &Command::Change(change)).await.epoch, 1);
    t.advance(Duration::from_secs(60));
    assert_eq!(t.sent(id, 99).await.len(), 1);
    let change = Change {
        rate_per_s: Some(None),
        ..Change::default()
    };
    t.done(id, &Command::Change(change)).await;
    assert_eq!(t.sent(id, 99).await.len(), 89);
}

fn at_most(scope: Scope, concurrency: u32) -> Ceilings {
    let mut ceilings = Ceilings::default();
    let ceiling = Ceiling {
        concurrency: Some(concurrency),
        rate_per_s: None,
    };
    ceilings.insert(scope, ceiling);
    ceilings
}

/// All of its batches together, and nobody else's.
pub async fn the_ceiling_of_a_space_is_over_all_of_its_batches(t: Fixture) {
    let ceilings = at_most(Scope::Space(t.space.clone()), 5);
    let (a, b) = (t.sealed(10).await, t.sealed(10).await);
    let elsewhere = t.in_space("elsewhere").sealed(10).await;
    let wants = [want(a, 3), want(b, 9), want(elsewhere, 9)];
    let claims = t.claim_within(&wants, &ceilings).await;
    let of = |id| {
        claims
            .iter()
            .filter(|claim| claim.batch == id)
            .map(|claim| claim.items.len())
            .sum::<usize>()
    };
    assert_eq!((of(a) + of(b), of(elsewhere)), (5, 9));
    assert_eq!(t.claim_within(&[want(a, 9), want(b, 9)], &ceilings).await, []);
    let (supply, scopes) = t
        .store
        .supply(&t.space, a, &ceilings, t.now())
        .await
        .expect("reads")
        .expect("is there");
    assert_eq!(supply.in_flight as usize, of(a));
    assert_eq!(
        (scopes.len(), scopes[0].in_flight, scopes[0].room(t.now())),
        (1, 5, 0)
    );
    let done = claims
        .iter()
        .find(|claim| claim.batch == b)
        .expect("some of each");
    t.record(vec![success(b, done.items[0].index)]).await;
    let again = t.claim_within(&[want(a, 9), want(b, 9)], &ceilings).await;
    assert_eq!(indexes(&again).len(), 1);
}

/// In every space.
pub async fn the_ceiling_of_a_job_type_is_over_every_space(t: Fixture) {
    let ceilings = at_most(Scope::JobType("echo".into()), 4);
    let here = t.sealed(10).await;
    let elsewhere = t.in_space("elsewhere").sealed(10).await;
    let other = t.sealed_as(10, |spec| spec.job_type = "other".into()).await;
    assert_eq!(
        indexes(&t.claim_within(&[want(here, 3)], &ceilings).await).len(),
        3
    );
    assert_eq!(
        indexes(&t.claim_within(&[want(elsewhere, 9)], &ceilings).await).len(),
        1
    );
    assert_eq!(
        indexes(&t.claim_within(&[want(other, 9)], &ceilings).await).len(),
        9
    );
}

/// A rate of a scope is shared as its concurrency is.
pub async fn a_ceiling_may_be_a_rate(t: Fixture) {
    let mut ceilings = Ceilings::default();
    let ceiling = Ceiling {
        concurrency: None,
        rate_per_s: Some(40.0),
    };
    ceilings.insert(Scope::Space(t.space.clone()), ceiling);
    let (a, b) = (t.sealed(50).await, t.sealed(50).await);
    let wants = [want(a, 6), want(b, 50)];
    assert_eq!(indexes(&t.claim_within(&wants, &ceilings).await).len(), 10);
    assert_eq!(t.claim_within(&wants, &ceilings).await, []);
    t.advance(Duration::from_millis(100));
    assert_eq!(indexes(&t.claim_within(&wants, &ceilings).await).len(), 4);
}

/// Publishers that claim from different batches at the same moment.
pub async fn concurrent_claims_keep_a_ceiling(t: Fixture) {
    const ITEMS: u32 = 60;
    let ceilings = at_most(Scope::Space(t.space.clone()), 7);
    let batches = [
        t.sealed(ITEMS).await,
        t.sealed(ITEMS).await,
        t.sealed(ITEMS).await,
    ];
    let held = Arc::new(Mutex::new((0_usize, 0_usize)));
    at_once(6, |number| {
        let (t, held, ceilings) = (t.clone(), Arc::clone(&held), ceilings.clone());
        async move {
            let id = batches[number as usize % 3];
            while t.batch(id).await.counts.settled() < ITEMS {
                let wants = [want(id, 4)];
                let claims = t.store.claim(&wants, &ceilings, LEASE, t.now()).await;
                let got = indexes(&claims.expect("claims"));
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
    for id in batches {
        t.assert_consistent(id).await;
    }
}

//! What may be dispatched of a batch, for whoever asks why it waits.

use std::time::Duration;

use flotilla_core::batch::{BatchState, Start};
use flotilla_core::command::Command;
use flotilla_core::limits::{Bucket, Ceiling, Ceilings, Scope, ScopeUse, Supply};

use super::fixture::Fixture;
use super::samples::{REST, lost, retry, success, waiting};

/// As the publisher sees it.
pub async fn the_supply_of_a_batch_is_what_publishers_see(t: Fixture) {
    let id = t
        .sealed_as(20, |spec| {
            (spec.concurrency, spec.rate_per_s, spec.canary) = (Some(8), Some(80.0), Some(10));
        })
        .await;
    t.sent(id, 6).await;
    t.record(vec![
        success(id, 0),
        retry(id, 1, "busy"),
        lost(id, 2),
        waiting(id, 3),
    ])
    .await;
    let supply = t.supply(id).await;
    let expected = Supply {
        state: BatchState::Processing,
        start: Start::Auto,
        fresh: 14,
        due: 0,
        suspects: 1,
        next_due: supply.next_due,
        in_flight: 2,
        suspects_in_flight: 0,
        concurrency: Some(8),
        canary_left: Some(4),
        rate_per_s: Some(80.0),
        bucket: Bucket {
            tokens: 14.0,
            at: Some(t.now()),
        },
    };
    assert_eq!(supply, expected);
    let due = supply.next_due.expect("the retry is due at some time");
    assert!(t.now() < due && due <= t.now() + REST);
    let active = t.store.active_batches(9, &Ceilings::default(), t.now()).await;
    assert_eq!(active.expect("reads").batches[0].supply, supply);
}

/// Pending, paused, cancelled, ended.
pub async fn every_batch_has_a_supply(t: Fixture) {
    let id = t.sealed(3).await;
    let supply = t.supply(id).await;
    assert_eq!(
        (supply.state, supply.fresh, supply.in_flight),
        (BatchState::Pending, 3, 0)
    );
    t.done(id, &Command::Pause).await;
    assert_eq!(t.supply(id).await.state, BatchState::Paused);
    t.done(id, &Command::Cancel).await;
    assert_eq!(t.supply(id).await.ready(t.now()), 0);
    t.finish(id).await;
    let supply = t.supply(id).await;
    assert_eq!(
        (supply.state, supply.fresh, supply.in_flight),
        (BatchState::Cancelled, 0, 0)
    );
    let none = t
        .store
        .supply(&t.space, t.new_batch().id, &Ceilings::default(), t.now())
        .await;
    assert_eq!(none.expect("reads"), None);
}

/// With the ceilings over it, and what is used of them by everybody under them.
pub async fn the_ceilings_over_a_batch_are_told(t: Fixture) {
    let mut ceilings = Ceilings::default();
    let ceiling = Ceiling {
        concurrency: Some(10),
        rate_per_s: None,
    };
    ceilings.insert(Scope::JobType("echo".into()), ceiling);
    ceilings.insert(Scope::JobType("other".into()), ceiling);
    let id = t.dispatched(2).await;
    t.in_space("elsewhere").dispatched(3).await;
    let supply = t.store.supply(&t.space, id, &ceilings, t.now()).await;
    let (_, scopes) = supply.expect("reads").expect("is there");
    let expected = ScopeUse {
        scope: Scope::JobType("echo".into()),
        ceiling,
        in_flight: 5,
        bucket: Bucket::default(),
    };
    assert_eq!(scopes, [expected]);
}

/// A rate that was used up says when it goes on.
pub async fn a_rate_tells_when_it_goes_on(t: Fixture) {
    let id = t.sealed_as(9, |spec| spec.rate_per_s = Some(0.1)).await;
    assert_eq!(t.sent(id, 9).await, [0]);
    let supply = t.supply(id).await;
    assert_eq!(supply.ready(t.now()), 0);
    let next = supply.next_at(t.now()).expect("it goes on");
    t.advance(Duration::from_millis(9_900));
    assert_eq!(t.claim(id, 9).await, []);
    t.advance(Duration::from_millis(101));
    assert!(t.now() >= next, "{next}");
    assert_eq!(t.sent(id, 9).await, [1]);
}

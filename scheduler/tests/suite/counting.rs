//! What is reported is counted once.

use flotilla_core::BatchState;
use flotilla_core::Space;
use flotilla_core::message::Verdict;
use flotilla_core::outcome::{ItemError, ItemErrorKind};
use flotilla_tests::eventually;

use crate::support::{PATIENCE, World, done, report, spec, stop};

/// Every report comes several times, and in pieces that overlap.
#[tokio::test]
async fn repeated_reports_are_counted_once() {
    let world = World::new().await;
    let messages = world.dispatched(100).await;
    let id = messages[0].batch;
    let tasks = world.start();
    for part in [&messages[..60], &messages[40..], &messages[..], &messages[..60]] {
        world.report(&report(part, done)).await;
    }
    let batch = world.ended(id).await;
    assert_eq!(
        (batch.state, batch.counts.succeeded),
        (BatchState::Completed, 100)
    );
    let result = world
        .store
        .result(&Space::default(), id, None)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        (result.result_summary.succeeded, result.result_summary.attempts),
        (100, 100)
    );
    let shown = eventually("the last snapshot", PATIENCE, || async {
        world.shown(id).await.filter(|snapshot| snapshot.state.is_final())
    })
    .await;
    assert_eq!(shown.counts, batch.counts);
    stop(tasks).await;
}

/// A report is an attempt, not an outcome: the item goes on.
#[tokio::test]
async fn a_failed_attempt_is_followed_by_another() {
    let world = World::new().await;
    let two = flotilla_core::BatchSpec {
        max_attempts: 2,
        ..spec()
    };
    let id = world.sealed(2, two).await;
    let messages = world.dispatch(id, 2).await;
    let tasks = world.start();
    let failing = report(&messages[..1], |_| Verdict::Retry {
        error: ItemError::new(ItemErrorKind::Handler, "not now"),
        after_ms: None,
    });
    world.report(&failing).await;
    let retrying = eventually("the retry to be noted", PATIENCE, || async {
        world.batch(id).await.filter(|batch| batch.counts.retrying == 1)
    })
    .await;
    assert_eq!(
        (retrying.state, retrying.counts.failed),
        (BatchState::Processing, 0)
    );
    let (place, _) = world.store.place(id, 0).await.unwrap().unwrap();
    assert_eq!((place.attempt, place.last_attempt), (2, 2));
    stop(tasks).await;
}

/// Three reports that the store takes one by one only, and the first one can't be acknowledged: the others must not be
/// kept back for good.
#[tokio::test]
async fn what_was_not_settled_comes_again() {
    let world = World::new().await;
    let messages = world.dispatched(3).await;
    let id = messages[0].batch;
    world
        .flaky
        .refuse(|attempts| (attempts.len() > 1).then(|| flotilla_core::Error::conflict("test", "too many")));
    world.broker.fail_acks(1);
    for message in &messages {
        world.report(&report(std::slice::from_ref(message), done)).await;
    }
    let tasks = world.start();
    assert_eq!(world.ended(id).await.counts.succeeded, 3);
    stop(tasks).await;
}

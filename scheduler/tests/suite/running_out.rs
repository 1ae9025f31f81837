//! What ends when its time is over.

use std::time::Duration;

use flotilla_core::command::Actor;
use flotilla_core::message::{Verdict, Waiting};
use flotilla_core::{BatchSpec, BatchState, Clock, Space};
use flotilla_scheduler::LiveView;
use flotilla_scheduler::reconcile::{Cancellations, Deadlines, ExpiredLeases, Task};
use jiff::SignedDuration;

use crate::support::{World, done, report, spec};

const MINUTE: Duration = Duration::from_secs(60);
const MOMENT: Duration = Duration::from_secs(1);

/// One item waits and one runs long, and nobody is heard of any more: the attempts have failed, and are repeated or not.
#[tokio::test]
async fn leases_that_nobody_renews_fail_their_attempts() {
    let world = World::new().await;
    let waiting = |max_attempts| BatchSpec {
        max_attempts,
        callback_timeout: Some(MINUTE),
        ..spec()
    };
    let (once, twice) = (
        world.sealed(2, waiting(1)).await,
        world.sealed(2, waiting(2)).await,
    );
    for batch in [once, twice] {
        let messages = world.dispatch(batch, 2).await;
        world
            .record(report(&messages[..1], |_| Verdict::Waiting(Waiting::default())))
            .await;
        let long = |_: &_| Verdict::Leased { ttl_ms: 60_000 };
        world.record(report(&messages[1..], long)).await;
    }
    let mut task = ExpiredLeases::new(&world.deps, &LiveView::default());
    world.advance(MINUTE - MOMENT);
    assert_eq!(task.run_once().await.unwrap(), 0);
    assert_eq!(world.batch(once).await.unwrap().counts.waiting, 1);

    world.advance(2 * MOMENT);
    assert!(task.run_once().await.unwrap() >= 2);
    let (once, twice) = (
        world.batch(once).await.unwrap(),
        world.batch(twice).await.unwrap(),
    );
    assert_eq!((once.state, once.counts.failed), (BatchState::Completed, 2));
    assert_eq!((twice.counts.waiting, twice.counts.failed), (0, 0));
    assert_eq!(
        twice.counts.retrying + twice.counts.pending,
        2,
        "{:?}",
        twice.counts
    );
    for batch in [once, twice] {
        assert_eq!(world.shown(batch.id).await.unwrap().counts, batch.counts);
    }
    assert_eq!(task.run_once().await.unwrap(), 0);
}

#[tokio::test]
async fn a_batch_that_is_overdue_fails() {
    let world = World::new().await;
    let deadline = world
        .clock
        .now()
        .checked_add(SignedDuration::from_mins(1))
        .unwrap();
    let timed = || BatchSpec {
        deadline: Some(deadline),
        ..spec()
    };
    let (late, quick, timeless) = (
        world.sealed(3, timed()).await,
        world.sealed(1, timed()).await,
        world.sealed(1, spec()).await,
    );
    let messages = world.dispatch(quick, 1).await;
    world.record(report(&messages, done)).await;
    world.dispatch(late, 1).await;

    let mut task = Deadlines::new(&world.deps, &LiveView::default());
    world.advance(MINUTE - MOMENT);
    assert_eq!(task.run_once().await.unwrap(), 0);
    world.advance(2 * MOMENT);
    assert_eq!(task.run_once().await.unwrap(), 1);
    assert_eq!(task.run_once().await.unwrap(), 0);
    assert_eq!(world.shown(late).await.unwrap().state, BatchState::Cancelling);

    let mut sweep = Cancellations::new(&world.deps, &LiveView::default(), Duration::ZERO);
    world.advance(MOMENT);
    assert_eq!(sweep.run_once().await.unwrap(), 3);
    let failed = world.batch(late).await.unwrap();
    assert_eq!((failed.state, failed.counts.cancelled), (BatchState::Failed, 3));
    let error = failed.error.unwrap();
    assert!(
        error.contains("deadline") && error.contains("has passed"),
        "{error}"
    );
    let history = world.store.history(&Space::default(), late).await.unwrap();
    assert!(
        history
            .iter()
            .any(|event| event.action == "fail" && event.by == Actor::system()),
        "{history:?}"
    );
    for (batch, state) in [(quick, BatchState::Completed), (timeless, BatchState::Pending)] {
        assert_eq!(world.batch(batch).await.unwrap().state, state);
    }
}

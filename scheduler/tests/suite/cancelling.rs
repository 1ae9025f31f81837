//! Batches that are being cancelled.

use std::time::Duration;

use flotilla_core::BatchState;
use flotilla_core::command::Command;
use flotilla_core::message::Verdict;
use flotilla_core::snapshot::Snapshot;
use flotilla_core::{Clock, Space};
use flotilla_scheduler::LiveView;
use flotilla_scheduler::reconcile::{Cancellations, Task};

use crate::support::{PATIENCE, World, done, report, spec, stop};

const GRACE: Duration = Duration::from_secs(10);

/// What no worker has is cancelled at once, what one has when it says so or when its time is over; a success counts.
#[tokio::test]
async fn workers_get_their_time() {
    let world = World::new().await;
    let id = world.sealed(12_000, spec()).await;
    let messages = world.dispatch(id, 3).await;
    let mut task = Cancellations::new(&world.deps, &LiveView::default(), GRACE);
    assert_eq!(task.run_once().await.unwrap(), 0, "nobody said so");

    world.command(id, Command::Cancel).await;
    assert_eq!(task.run_once().await.unwrap(), 11_997);
    let batch = world.batch(id).await.unwrap();
    assert_eq!(
        (batch.state, batch.counts.cancelled, batch.counts.queued),
        (BatchState::Cancelling, 11_997, 3)
    );
    assert_eq!(world.shown(id).await.unwrap().counts, batch.counts);

    world.record(report(&messages[..1], |_| Verdict::Cancelled)).await;
    world.record(report(&messages[1..2], done)).await;
    world.advance(GRACE - Duration::from_secs(1));
    assert_eq!(task.run_once().await.unwrap(), 0);
    assert_eq!(world.batch(id).await.unwrap().counts.queued, 1);

    world.advance(Duration::from_secs(2));
    assert_eq!(task.run_once().await.unwrap(), 1);
    let batch = world.batch(id).await.unwrap();
    assert_eq!(
        (batch.state, batch.counts.cancelled, batch.counts.succeeded),
        (BatchState::Cancelled, 11_999, 1)
    );
    assert_eq!(world.shown(id).await.unwrap().state, BatchState::Cancelled);
    let result = world.store.result(&Space::default(), id, None).await.unwrap();
    assert_eq!(result.unwrap().result_summary.cancelled, 11_999);
    assert_eq!(task.run_once().await.unwrap(), 0);
}

/// It looks when it hears of it.
#[tokio::test]
async fn an_event_wakes_it() {
    let world = World::new().await;
    let (id, other) = (world.sealed(1, spec()).await, world.sealed(1, spec()).await);
    let mut task = Cancellations::new(&world.deps, &LiveView::default(), GRACE);
    task.run_once().await.unwrap();
    let show = async |batch| {
        let snapshot = Snapshot::of(&batch, 0, world.clock.now());
        world.deps.progress.publish(&[snapshot]).await.unwrap();
    };
    show(world.batch(other).await.unwrap()).await;
    let mut wake = task.wake();
    assert!(
        tokio::time::timeout(Duration::from_millis(300), &mut wake)
            .await
            .is_err(),
        "another one's progress is no reason"
    );
    show(world.command(id, Command::Cancel).await).await;
    tokio::time::timeout(PATIENCE, wake).await.expect("to wake");
}

/// The whole of it: the scheduler runs, and a batch that nobody works on is cancelled.
#[tokio::test]
async fn a_cancelled_batch_ends() {
    let world = World::new().await;
    let id = world.sealed(10, spec()).await;
    let tasks = world.start();
    let cancelled = world.command(id, Command::Cancel).await;
    let snapshot = Snapshot::of(&cancelled, 0, world.clock.now());
    world.deps.progress.publish(&[snapshot]).await.unwrap();
    let batch = world.ended(id).await;
    assert_eq!((batch.state, batch.counts.cancelled), (BatchState::Cancelled, 10));
    stop(tasks).await;
}

//! The live view.

use std::sync::atomic::Ordering;

use flotilla_core::BatchState;
use flotilla_scheduler::LiveView;
use flotilla_scheduler::reconcile::{StaleProgress, Task};
use flotilla_tests::eventually;

use crate::support::{PATIENCE, World, done, report, spec, stop};

/// The live view is lost: batches that run and batches that ended a moment ago are shown again, and nothing is written
/// when nothing changed.
#[tokio::test]
async fn a_lost_live_view_is_written_again() {
    let world = World::new().await;
    let running = world.dispatched(2).await[0].batch;
    let ended = world.dispatched(1).await;
    world.record(report(&ended, done)).await;

    let mut task = StaleProgress::new(&world.deps, &LiveView::default());
    assert_eq!(task.run_once().await.unwrap(), 2);
    assert_eq!(task.run_once().await.unwrap(), 0, "nothing changed");

    world.live.lose_everything();
    assert_eq!(task.run_once().await.unwrap(), 2);
    let states = [
        world.shown(running).await.unwrap().state,
        world.shown(ended[0].batch).await.unwrap().state,
    ];
    assert_eq!(states, [BatchState::Processing, BatchState::Completed]);
}

/// However many batches ended of late, or have not ended: all of them are written, a page at a time.
#[tokio::test]
async fn no_batch_is_left_out_because_there_are_many() {
    let world = World::new().await;
    let (mut ended, mut unfinished) = (Vec::new(), Vec::new());
    for _ in 0..1_001 {
        ended.push(world.sealed(0, spec()).await);
        unfinished.push(world.sealed(1, spec()).await);
    }
    let mut task = StaleProgress::new(&world.deps, &LiveView::default());
    assert_eq!(task.run_once().await.unwrap(), 2_000);
    assert_eq!(task.run_once().await.unwrap(), 2);
    assert_eq!(task.run_once().await.unwrap(), 0);
    for id in ended.into_iter().chain(unfinished) {
        assert!(world.shown(id).await.is_some(), "{id}");
    }
}

/// A batch that ends while the live view is away is shown when it is back.
#[tokio::test]
async fn what_could_not_be_shown_is_shown_later() {
    let world = World::new().await;
    let (first, second) = (world.dispatched(1).await, world.dispatched(1).await);
    let tasks = world.start();
    eventually("the first look", PATIENCE, || async {
        world.shown(first[0].batch).await
    })
    .await;

    world.live.away.store(true, Ordering::SeqCst);
    world.report(&report(&second, done)).await;
    world.ended(second[0].batch).await;
    world.report(&report(&first, done)).await;
    world.ended(first[0].batch).await;
    world.live.away.store(false, Ordering::SeqCst);
    for messages in [first, second] {
        eventually("the end to be shown", PATIENCE, || async {
            let shown = world.shown(messages[0].batch).await?;
            (shown.state == BatchState::Completed).then_some(())
        })
        .await;
    }
    stop(tasks).await;
}

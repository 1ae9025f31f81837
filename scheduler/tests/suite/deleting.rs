//! Batches that were deleted.

use std::time::Duration;

use flotilla_core::Space;
use flotilla_core::command::Command;
use flotilla_core::dead_letter::DeadFilter;
use flotilla_core::message::Verdict;
use flotilla_core::outcome::{ItemError, ItemErrorKind};
use flotilla_scheduler::LiveView;
use flotilla_scheduler::reconcile::{Cancellations, Deletions, ExpiredBatches, StaleProgress, Task};

use crate::support::{World, done, report, spec};

/// Its rows, its outputs and its place in the live view go; others stay.
#[tokio::test]
async fn nothing_is_left_of_a_deleted_batch() {
    let world = World::new().await;
    let space = Space::default();
    let (deleted, kept) = (world.dispatched(6_000).await, world.dispatched(2).await);
    let (gone, stays) = (deleted[0].batch, kept[0].batch);
    let mut keys = Vec::new();
    for batch in [gone, stays] {
        let put = world
            .deps
            .objects
            .put_output(&space, batch, 0, 1, "\"long\"".into());
        keys.push(put.await.unwrap());
    }
    let failing = |_: &_| Verdict::Fail(ItemError::new(ItemErrorKind::Handler, "no"));
    world.record(report(&deleted, failing)).await;
    world.record(report(&kept, done)).await;
    StaleProgress::new(&world.deps, &LiveView::default())
        .run_once()
        .await
        .unwrap();
    assert!(world.shown(gone).await.is_some());

    let mut task = Deletions::new(&world.deps);
    assert_eq!(task.run_once().await.unwrap(), 0, "nobody said so");
    world.command(gone, Command::Delete { force: false }).await;
    assert_eq!(task.run_once().await.unwrap(), 1);
    assert!(world.batch(gone).await.is_none());
    assert!(world.store.place(gone, 0).await.unwrap().is_none());
    let all = DeadFilter::default();
    let letters = world.store.dead_letters(&space, &all, 10).await.unwrap();
    assert!(letters.is_empty());
    assert!(world.shown(gone).await.is_none());
    let steering = world.deps.progress.steering(&[gone]).await.unwrap();
    assert!(
        steering[0].unwrap().state.is_halted(),
        "workers may still hold items of it"
    );
    assert!(world.deps.objects.get(&keys[0]).await.unwrap().is_none());
    assert_eq!(task.run_once().await.unwrap(), 0);

    assert_eq!(world.batch(stays).await.unwrap().counts.succeeded, 2);
    assert!(world.deps.objects.get(&keys[1]).await.unwrap().is_some());
    assert!(world.shown(stays).await.is_some());
}

/// With force also where it has not ended: then it is cancelled first.
#[tokio::test]
async fn a_batch_that_runs_is_cancelled_before_it_goes() {
    let world = World::new().await;
    let id = world.sealed(3, spec()).await;
    world.dispatch(id, 1).await;
    let mut deletions = Deletions::new(&world.deps);
    let mut cancellations = Cancellations::new(&world.deps, &LiveView::default(), Duration::from_secs(10));
    world.command(id, Command::Delete { force: true }).await;
    assert!(world.batch(id).await.is_none(), "readers do not see it");
    assert_eq!(cancellations.run_once().await.unwrap(), 2);
    assert_eq!(
        deletions.run_once().await.unwrap(),
        0,
        "a worker has an item of it"
    );
    world.advance(Duration::from_secs(11));
    assert_eq!(cancellations.run_once().await.unwrap(), 1);
    assert_eq!(deletions.run_once().await.unwrap(), 1);
    assert!(world.store.deleted_batches(10).await.unwrap().is_empty());
    assert!(world.store.halted_batches(10).await.unwrap().is_empty());
}

/// Where batches are kept for a time only, they are deleted after it.
#[tokio::test]
async fn batches_expire() {
    let world = World::new().await;
    let (ended, runs) = (world.dispatched(1).await, world.dispatched(1).await);
    world.record(report(&ended, done)).await;
    let mut task = ExpiredBatches::new(&world.deps, Duration::from_secs(3600));
    world.advance(Duration::from_secs(3600));
    assert_eq!(task.run_once().await.unwrap(), 0, "not yet");
    world.advance(Duration::from_secs(1));
    assert_eq!(task.run_once().await.unwrap(), 1);
    assert_eq!(task.run_once().await.unwrap(), 0);
    assert!(world.batch(ended[0].batch).await.is_none());
    assert!(world.batch(runs[0].batch).await.is_some());
    assert_eq!(Deletions::new(&world.deps).run_once().await.unwrap(), 1);
}

//! Batches that are never sealed.

use std::time::Duration;

use flotilla_core::batch::BatchState;
use flotilla_core::snapshot::Snapshot;
use flotilla_core::{Clock, Space};
use flotilla_scheduler::reconcile::{AbandonedUploads, ForgottenKeys, Task, UnsealedBatches};

use crate::support::{World, spec};

const HOUR: Duration = Duration::from_secs(3600);

#[tokio::test]
async fn only_silent_uploads_are_removed() {
    let world = World::new().await;
    let (open, sealed) = (world.upload(10).await, world.sealed(1, spec()).await);
    let kept = world.upload(1).await;
    world
        .store
        .keep_open(kept, spec(), world.clock.now())
        .await
        .unwrap();
    let mut task = AbandonedUploads::new(&world.deps, HOUR);
    world.advance(HOUR - Duration::from_secs(1));
    assert_eq!(task.run_once().await.unwrap(), 0);
    assert!(world.batch(open).await.is_some());
    world.advance(Duration::from_secs(2));
    assert_eq!(task.run_once().await.unwrap(), 1);
    assert!(world.batch(open).await.is_none());
    assert!(world.batch(sealed).await.is_some());
    assert!(world.batch(kept).await.is_some());
}

#[tokio::test]
async fn keys_are_forgotten_when_their_time_is_over() {
    let world = World::new().await;
    let upload = world.upload(1).await;
    let (space, now) = (Space::default(), world.clock.now());
    let keys = (0..10_001).map(|n| n.to_string()).collect();
    let reserved = world
        .store
        .reserve_keys(&space, upload, keys, now + HOUR, now)
        .await;
    assert_eq!(reserved.unwrap().len(), 10_001);
    let mut task = ForgottenKeys::new(&world.deps);
    assert_eq!(task.run_once().await.unwrap(), 0);
    world.advance(HOUR);
    assert_eq!(task.run_once().await.unwrap(), 10_001);
    assert_eq!(task.run_once().await.unwrap(), 0);
}

/// A batch that stays open is given far more time, which begins anew with every append.
#[tokio::test]
async fn an_open_batch_that_nobody_seals_is_removed() {
    let world = World::new().await;
    let (upload, sealed) = (world.upload(10).await, world.sealed(1, spec()).await);
    let open = world.upload(2).await;
    let batch = world
        .store
        .keep_open(open, spec(), world.clock.now())
        .await
        .unwrap();
    let snapshot = Snapshot::of(&batch, 0, world.clock.now());
    world.deps.progress.publish(&[snapshot]).await.unwrap();
    let mut task = UnsealedBatches::new(&world.deps, 24 * HOUR);

    world.advance(23 * HOUR);
    let appending = world
        .store
        .begin_append(&Space::default(), open, HOUR, world.clock.now())
        .await
        .unwrap();
    assert_eq!(
        appending,
        flotilla_core::ports::store::Appending::Ready { first: 2, skipped: 0 }
    );
    world
        .store
        .end_append(open, 2, false, world.clock.now())
        .await
        .unwrap();
    world.advance(23 * HOUR);
    assert_eq!(task.run_once().await.unwrap(), 0);
    assert_eq!(world.batch(open).await.unwrap().state, BatchState::Open);
    assert!(world.shown(open).await.is_some());

    world.advance(2 * HOUR);
    assert_eq!(task.run_once().await.unwrap(), 1);
    assert!(world.batch(open).await.is_none());
    assert!(world.shown(open).await.is_none());
    assert!(world.batch(upload).await.is_some(), "that is for somebody else");
    assert!(world.batch(sealed).await.is_some());
    assert_eq!(task.run_once().await.unwrap(), 0);
}

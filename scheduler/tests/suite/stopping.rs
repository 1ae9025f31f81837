//! When a scheduler stops.

use std::sync::Arc;
use std::time::Duration;

use flotilla_core::ports::Broker;
use flotilla_core::shard::{DEFAULT_SHARDS, Shard};
use flotilla_core::{Error, Shutdown, Tasks};

use crate::support::broker::FlakyBroker;
use crate::support::{PATIENCE, World, done, report, stop};

/// What a scheduler was given before it stops is counted: with this broker nobody would deliver it again.
#[tokio::test]
async fn what_a_volatile_broker_holds_is_counted() {
    let mut world = World::new().await;
    world.config.prefetch = 4;
    let messages = world.dispatched(50).await;
    let id = messages[0].batch;
    world.flaky.shut(true);
    let tasks = world.start();
    for message in &messages {
        world.report(&report(std::slice::from_ref(message), done)).await;
    }
    world.flaky.called().await;
    tasks.shutdown().drain();
    world.flaky.shut(false);
    stop(tasks).await;
    assert_eq!(world.batch(id).await.unwrap().counts.succeeded, 50);
}

/// Even that ends when the process is told to stop now.
#[tokio::test]
async fn an_abort_does_not_wait_for_the_store() {
    let world = World::new().await;
    let messages = world.dispatched(1).await;
    let id = messages[0].batch;
    world.flaky.shut(true);
    let tasks = world.start();
    world.report(&report(&messages, done)).await;
    world.flaky.called().await;
    tasks.shutdown().abort();
    tokio::time::timeout(PATIENCE / 2, stop(tasks))
        .await
        .expect("an abort");
    assert_eq!(world.batch(id).await.unwrap().counts.succeeded, 0);
}

/// A broker that delivers again needs no scheduler to empty it: another one goes on.
#[tokio::test]
async fn reports_that_keep_coming_do_not_hold_a_drain_up() {
    let mut world = World::with_broker(FlakyBroker::durable()).await;
    world.config.drain = PATIENCE;
    let messages = world.dispatched(1).await;
    let id = messages[0].batch;
    let shard = Shard::of(id, DEFAULT_SHARDS);
    let tasks = world.start();
    // Two of them, so that there is always one.
    let load = Tasks::new(Shutdown::new());
    for _ in 0..2 {
        let (broker, shutdown) = (Arc::clone(&world.broker), load.shutdown().clone());
        let report = report(&messages, done);
        load.spawn("load", async move {
            while !shutdown.is_draining() {
                broker.publish_report(shard, &report).await.unwrap();
                tokio::task::yield_now().await;
            }
        });
    }
    world.ended(id).await;
    tasks.shutdown().drain();
    tokio::time::timeout(PATIENCE / 3, tasks.finish(PATIENCE))
        .await
        .expect("a drain under load")
        .unwrap();
    let before = world.flaky.calls().len();
    load.shutdown().drain();
    load.finish(PATIENCE).await.unwrap();
    assert_eq!(world.flaky.calls().len(), before, "it goes on after its end");
}

/// The store is away while a scheduler drains. It does not wait, and its reports are there for the next one.
#[tokio::test]
async fn a_drain_does_not_wait_for_a_store_that_is_away() {
    let world = World::with_broker(FlakyBroker::durable()).await;
    let messages = world.dispatched(3).await;
    let id = messages[0].batch;
    world
        .flaky
        .refuse(|_| Some(Error::unavailable("test", "away").retry_after(Duration::from_secs(3600))));
    let tasks = world.start();
    world.report(&report(&messages, done)).await;
    world.flaky.called().await;
    tokio::time::timeout(PATIENCE / 2, stop(tasks))
        .await
        .expect("a drain");

    world.flaky.refuse(|_| None);
    let next = world.start();
    assert_eq!(world.ended(id).await.counts.succeeded, 3);
    stop(next).await;
}

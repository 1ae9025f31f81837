//! Messages and queues that are lost.

use std::time::Duration;

use flotilla_core::batch::BatchState;
use flotilla_core::ports::Broker;
use flotilla_core::ports::broker::{Queue, Topology};
use flotilla_core::shard::DEFAULT_SHARDS;
use flotilla_core::worker::{Holding, WorkerStatus};
use flotilla_core::{Clock, ItemIndex, Pool, WorkerId};
use flotilla_scheduler::reconcile::{LostDispatches, MissingQueues, Task};

use crate::support::{World, done, report};

/// So many looks find whatever is lost.
const LOOKS: usize = 6;

async fn look(world: &World, task: &mut LostDispatches) -> u64 {
    let mut resent = 0;
    for _ in 0..LOOKS {
        world.advance(Duration::from_secs(6));
        resent += task.run_once().await.unwrap();
    }
    resent
}

async fn heartbeat(world: &World, holding: Option<Vec<Holding>>) {
    let now = world.clock.now();
    let worker = WorkerStatus {
        id: WorkerId("w".into()),
        pools: vec![Pool::default()],
        concurrency: 4,
        running: Vec::new(),
        held: 1,
        holding,
        doing: Vec::new(),
        draining: false,
        started_at: now,
        seen_at: now,
        version: "1".into(),
    };
    let ttl = Duration::from_secs(3600);
    world.deps.progress.heartbeat(&worker, ttl).await.unwrap();
}

/// They go out again and are counted once, however many schedulers find them.
#[tokio::test]
async fn lost_messages_are_sent_again_once() {
    let world = World::new().await;
    let lost = world.dispatched(5).await;
    let id = lost[0].batch;
    world.record(report(&lost[..2], done)).await;
    let mut tasks = [DEFAULT_SHARDS; 2].map(|shards| LostDispatches::new(&world.deps, shards));
    let mut resent = 0;
    for _ in 0..LOOKS {
        for task in &mut tasks {
            resent += task.run_once().await.unwrap();
        }
    }
    assert_eq!(resent, 3);
    let again = world.dispatch(id, 9).await;
    let items: Vec<_> = again
        .iter()
        .map(|message| (message.index, message.attempt))
        .collect();
    assert_eq!(items, [(2, 1), (3, 1), (4, 1)]);
    world.record(report(&again, done)).await;
    assert_eq!(world.batch(id).await.unwrap().state, BatchState::Completed);
    for task in &mut tasks {
        assert_eq!(look(&world, task).await, 0);
    }
}

/// Lost again, it rests.
#[tokio::test]
async fn what_is_lost_again_and_again_rests() {
    let world = World::new().await;
    let lost = world.dispatched(1).await;
    let id = lost[0].batch;
    let mut task = LostDispatches::new(&world.deps, DEFAULT_SHARDS);
    assert_eq!(look(&world, &mut task).await, 1);
    assert_eq!(world.dispatch(id, 9).await.len(), 1, "at once");
    while task.run_once().await.unwrap() == 0 {}
    let audit = world.store.audit(&lost[0].space, id).await.unwrap().unwrap();
    assert_eq!((audit.rows.returned, audit.rows.resent), (1, 2));
    assert_eq!(audit.findings(), []);
    assert_eq!(world.dispatch(id, 9).await.len(), 0, "it rests now");
    world.advance(Duration::from_secs(5));
    assert_eq!(world.dispatch(id, 9).await.len(), 1);
}

/// In its queue, in a worker's hands, or in a report: it is somewhere.
#[tokio::test]
async fn what_is_somewhere_is_not_lost() {
    let world = World::new().await;
    let messages = world.dispatched(2).await;
    let batch = messages[0].batch;
    let mut task = LostDispatches::new(&world.deps, DEFAULT_SHARDS);
    world.broker.publish_items(&messages.clone()).await.unwrap();
    assert_eq!(look(&world, &mut task).await, 0, "it waits in its queue");

    let work = world.broker.consume_items(&Pool::default(), 10).await.unwrap();
    let mut deliveries = work.deliveries;
    for _ in &messages {
        futures_util::StreamExt::next(&mut deliveries).await.unwrap();
    }
    let depth = world.broker.depth(&Queue::Work(Pool::default())).await.unwrap();
    assert_eq!((depth.ready, depth.consumers), (0, 1));
    assert_eq!(
        look(&world, &mut task).await,
        0,
        "somebody consumes who is not known"
    );
    let both: Vec<(ItemIndex, ItemIndex)> = vec![(0, 1)];
    for holding in [None, Some(vec![Holding { batch, items: both }])] {
        for _ in 0..LOOKS {
            world.advance(Duration::from_secs(6));
            heartbeat(&world, holding.clone()).await;
            assert_eq!(task.run_once().await.unwrap(), 0, "{holding:?}");
        }
    }
    let mut resent = 0;
    for _ in 0..LOOKS {
        world.advance(Duration::from_secs(6));
        heartbeat(&world, Some(Vec::new())).await;
        resent += task.run_once().await.unwrap();
    }
    assert_eq!(resent, 2, "the worker has lost them");
}

/// Without the live view nobody knows who holds what: nothing is concluded, and nothing breaks.
#[tokio::test]
async fn a_store_without_anything_in_flight_asks_nobody_else() {
    let world = World::new().await;
    let mut task = LostDispatches::new(&world.deps, 9);
    assert_eq!(
        task.run_once().await.unwrap(),
        0,
        "there are no nine shards, and none is looked at"
    );
    world.dispatched(1).await;
    let error = task.run_once().await.unwrap_err();
    assert!(error.to_string().contains("reports"), "{error}");
}

#[tokio::test]
async fn missing_queues_are_declared_again() {
    let world = World::new().await;
    let gpu: Pool = "gpu".parse().unwrap();
    let topology = Topology {
        pools: vec![Pool::default(), gpu.clone()],
        shards: DEFAULT_SHARDS,
    };
    assert!(world.broker.depth(&Queue::Work(gpu.clone())).await.is_err());
    let mut task = MissingQueues::new(&world.deps, topology);
    assert_eq!(task.run_once().await.unwrap(), 1);
    assert!(world.broker.depth(&Queue::Work(gpu)).await.is_ok());
    assert_eq!(task.run_once().await.unwrap(), 0);
}

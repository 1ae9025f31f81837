//! What follows on batches.

use std::sync::Arc;
use std::time::Duration;

use flotilla_core::follow_up::{On, OnComplete, follow_up_id, results_key};
use flotilla_core::item::ItemFilter;
use flotilla_core::message::Verdict;
use flotilla_core::outcome::{ItemError, ItemErrorKind};
use flotilla_core::retention::Retention;
use flotilla_core::retry::Backoff;
use flotilla_core::{BatchId, BatchSpec, Json, Pool, Space};
use flotilla_scheduler::LiveView;
use flotilla_scheduler::reconcile::{Deletions, Expiries, FollowUpsPending, Task};
use flotilla_tests::eventually;
use serde_json::{Value, json};
use tokio::sync::Notify;

use crate::support::{PATIENCE, World, done, report, spec, stop};

const HOUR: Duration = Duration::from_secs(3_600);

fn then(retention: Retention) -> BatchSpec {
    BatchSpec {
        name: Some("words".into()),
        retention,
        on_complete: Some(Box::new(OnComplete {
            on: On::Complete,
            job_type: "sum".into(),
            pool: Pool::default(),
            priority: 5,
            max_attempts: 3,
            timeout: Duration::from_secs(7),
            backoff: Backoff::default(),
            callback_timeout: None,
            retention: Retention::default(),
            metadata: None,
            input: Some(Json::string("passed along")),
        })),
        ..spec()
    }
}

fn task(world: &World) -> FollowUpsPending {
    FollowUpsPending::new(&world.deps, &LiveView::default(), &Arc::new(Notify::new()))
}

async fn ended(world: &World, items: u32, retention: Retention) -> BatchId {
    let id = world.sealed(items, then(retention)).await;
    let messages = world.dispatch(id, items).await;
    let some = |message: &flotilla_core::message::ItemMessage| match message.index {
        1 => Verdict::Fail(ItemError::new(ItemErrorKind::Handler, "no")),
        _ => done(message),
    };
    world.record(report(&messages, some)).await;
    id
}

/// The follow-up of a batch, and what it is told.
async fn follow_up(world: &World, id: BatchId) -> (BatchId, Json) {
    let space = Space::default();
    let called = world.store.follow_up(&space, id, 1).await.unwrap().unwrap();
    let follow_up = called.follow_up.expect("was created");
    let all = ItemFilter::default();
    let mut items = world.store.items(&space, follow_up, &all, 9).await.unwrap();
    assert_eq!(items.len(), 1);
    (follow_up, items.remove(0).input)
}

#[tokio::test]
async fn a_follow_up_is_told_everything() {
    let world = World::new().await;
    let id = ended(&world, 2_500, Retention::default()).await;
    assert_eq!(task(&world).run_once().await.unwrap(), 1);
    let (created, input) = follow_up(&world, id).await;
    let batch = world.batch(created).await.unwrap();
    assert_eq!((&*batch.spec.job_type, batch.spec.priority), ("sum", 5));
    assert_eq!((batch.spec.max_attempts, batch.spec.on_complete), (3, None));
    let told: Value = input.to().unwrap();
    assert_eq!(
        (&told["batch_id"], &told["revision"]),
        (&json!(id.to_string()), &json!(1))
    );
    assert_eq!(
        (&told["name"], &told["state"]),
        (&json!("words"), &json!("completed"))
    );
    assert_eq!(
        (&told["counts"]["failed"], &told["input"]),
        (&json!(1), &json!("passed along"))
    );
    assert_eq!(told["result"]["result_summary"]["total"], 2_500);
    let key = results_key(&Space::default(), created, &input).unwrap();
    assert_eq!(told["results"]["key"], key);
    let file = world.deps.objects.get(&key).await.unwrap().unwrap();
    assert_eq!(told["results"]["bytes"], file.len());
    let lines: Vec<Value> = std::str::from_utf8(&file)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!((lines.len(), &told["results"]["lines"]), (2_500, &json!(2_500)));
    assert_eq!(
        (&lines[7]["output"], &lines[1]["state"]),
        (&json!(7), &json!("failed"))
    );
    assert_eq!(task(&world).run_once().await.unwrap(), 0, "once");
}

/// It was created, and nobody lived to note it: the same again changes nothing.
#[tokio::test]
async fn a_crash_between_two_steps_makes_no_second_one() {
    let world = World::new().await;
    let id = ended(&world, 3, Retention::default()).await;
    let space = Space::default();
    let result = world.store.result(&space, id, Some(1)).await.unwrap().unwrap();
    let on_complete = world.batch(id).await.unwrap().spec.on_complete.unwrap();
    let new = flotilla_core::ports::store::NewBatch {
        id: follow_up_id(id, 1, result.created_at),
        space: space.clone(),
        idempotency_key: None,
        created_at: world.deps.clock.now(),
    };
    let first = flotilla_core::item::NewItem {
        custom_id: None,
        input: Json::string("the first one"),
    };
    let parent = world.batch(id).await.unwrap();
    world
        .store
        .create_batch(
            new,
            vec![first],
            on_complete.spec(&parent),
            world.deps.clock.now(),
        )
        .await
        .unwrap();
    assert_eq!(task(&world).run_once().await.unwrap(), 0);
    let (created, input) = follow_up(&world, id).await;
    assert_eq!(created, follow_up_id(id, 1, result.created_at));
    assert_eq!(input.as_str(), "\"the first one\"");
    assert!(world.store.pending_follow_ups(9).await.unwrap().is_empty());
}

/// The end of the batch wakes whoever creates it.
#[tokio::test]
async fn it_does_not_wait_for_the_next_look() {
    let world = World::new().await;
    let tasks = world.start();
    let id = world.sealed(3, then(Retention::default())).await;
    let messages = world.dispatch(id, 3).await;
    world.report(&report(&messages, done)).await;
    let space = Space::default();
    eventually("the follow-up", PATIENCE, || async {
        let called = world.store.follow_up(&space, id, 1).await.unwrap()?;
        called.follow_up
    })
    .await;
    stop(tasks).await;
}

/// What it is to work with stays until it is done, and goes then.
#[tokio::test]
async fn nothing_expires_before_its_follow_up_has_ended() {
    let world = World::new().await;
    let retention = Retention {
        inputs: Some(HOUR),
        results: Some(2 * HOUR),
        ..Retention::default()
    };
    let id = ended(&world, 3, retention).await;
    world.advance(3 * HOUR);
    let mut expiries = Expiries::new(&world.deps);
    assert_eq!(expiries.run_once().await.unwrap(), 0, "it is not created");
    task(&world).run_once().await.unwrap();
    assert_eq!(expiries.run_once().await.unwrap(), 0, "it has not run");
    let (created, input) = follow_up(&world, id).await;
    let key = results_key(&Space::default(), created, &input).unwrap();
    let messages = world.dispatch(created, 1).await;
    assert!(world.deps.objects.get(&key).await.unwrap().is_some());
    world.record(report(&messages, done)).await;
    assert_eq!(expiries.run_once().await.unwrap(), 2);
    assert_eq!(Deletions::new(&world.deps).run_once().await.unwrap(), 1);
    assert!(world.deps.objects.get(&key).await.unwrap().is_none());
    assert!(world.batch(created).await.is_some(), "it is a batch of its own");
}

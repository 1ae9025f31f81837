//! What reaches workers, and when.

use std::sync::Arc;
use std::time::Duration;

use flotilla_core::job_type::{HandlerSpec, JobType, JobTypes};
use flotilla_core::message::Verdict;
use flotilla_core::outcome::{ItemError, ItemErrorKind, Output};
use flotilla_core::snapshot::Snapshot;
use flotilla_core::{BatchId, Json, Pool, Space};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep, timeout};

use crate::harness::{Api, Fleet};

fn done() -> Verdict {
    Verdict::Done(Output::Inline(Json::null()))
}

fn retry() -> Verdict {
    Verdict::Retry {
        error: ItemError::new(ItemErrorKind::Handler, "no"),
        after_ms: None,
    }
}

/// What the scheduler does when it has counted something.
async fn shown(api: &Api, id: &str) {
    let space = Space::default();
    let batch = api.deps.store.batch(&space, id.parse().unwrap()).await;
    let snapshot = Snapshot::of(&batch.unwrap().unwrap(), 0, api.deps.clock.now());
    api.deps.progress.publish(&[snapshot]).await.unwrap();
}

#[tokio::test]
async fn an_item_says_all_that_a_worker_needs() {
    let api = Api::new().await;
    let mut fleet = Fleet::start(&api).await;
    let options =
        json!({"max_attempts": 3, "timeout": "7s", "backoff": {"initial": 0, "max": 0}, "start": "manual"});
    let id = api.create(options, 1).await;
    let batch: BatchId = id.parse().unwrap();
    api.ask("PATCH", &format!("/v1/batches/{id}"), json!({"concurrency": 5}))
        .await;
    api.act(&id, "run", Value::Null).await;
    let first = fleet.item().await;
    assert_eq!(
        (first.batch, first.index, first.attempt, first.max_attempts),
        (batch, 0, 1, 3)
    );
    assert_eq!(
        (first.timeout, first.epoch),
        (Duration::from_secs(7), 1),
        "the limit was tightened once"
    );
    assert!(!first.isolated);
    api.report(batch, 0, 1, retry()).await;
    assert_eq!(fleet.item().await.attempt, 2, "due at once");
    api.report(batch, 0, 2, Verdict::Lost).await;
    let alone = fleet.isolated().await;
    assert_eq!(
        (alone.attempt, alone.max_attempts, alone.isolated),
        (3, 4, true),
        "a loss is no attempt of the handler's"
    );
    fleet.stop().await;
}

#[tokio::test]
async fn a_limit_is_filled_as_soon_as_there_is_room() {
    let api = Api::new().await;
    let mut fleet = Fleet::start(&api).await;
    let id = api.create(json!({"concurrency": 1}), 40).await;
    let mut waits = Vec::new();
    for index in 0..40 {
        let began = Instant::now();
        let item = fleet.item().await;
        waits.push(began.elapsed());
        assert_eq!(item.index, index);
        let more = timeout(Duration::from_millis(1), fleet.item()).await;
        assert!(more.is_err(), "one at a time");
        api.report(item.batch, item.index, 1, done()).await;
        shown(&api, &id).await;
    }
    waits.sort_unstable();
    // Polling alone would take 50 ms and more.
    assert!(waits[20] < Duration::from_millis(40), "{waits:?}");
    fleet.stop().await;
}

#[tokio::test]
async fn retries_and_rates_are_kept_to_the_moment() {
    let api = Api::new().await;
    let mut fleet = Fleet::start(&api).await;
    let id = api.create(json!({"max_attempts": 2}), 1).await;
    let item = fleet.item().await;
    let began = Instant::now();
    let verdict = Verdict::Retry {
        error: ItemError::new(ItemErrorKind::Handler, "no"),
        after_ms: Some(300),
    };
    api.report(item.batch, 0, 1, verdict).await;
    shown(&api, &id).await;
    assert_eq!(fleet.item().await.attempt, 2);
    let waited = began.elapsed();
    // 300 ms, and up to one second of jitter on top.
    assert!(waited >= Duration::from_millis(299), "{waited:?}");

    api.create(json!({"rate_per_s": 20}), 12).await;
    fleet.item().await;
    let began = Instant::now();
    for _ in 0..11 {
        fleet.item().await;
    }
    // Five at once, then one every 50 ms.
    let took = began.elapsed();
    assert!(took >= Duration::from_millis(300), "{took:?}");
    fleet.stop().await;
}

#[tokio::test]
async fn a_pause_stops_dispatch_and_a_resume_starts_it() {
    let api = Api::new().await;
    let id = api.create(json!({}), 3).await;
    api.act(&id, "pause", Value::Null).await;
    let mut fleet = Fleet::start(&api).await;
    assert!(timeout(Duration::from_millis(100), fleet.item()).await.is_err());
    api.act(&id, "resume", Value::Null).await;
    for _ in 0..3 {
        fleet.item().await;
    }
    fleet.stop().await;
}

#[tokio::test]
async fn a_silent_queue_holds_up_nobody_else() {
    let mut api = Api::new().await;
    let stuck: Pool = "stuck".parse().unwrap();
    let mut job_types = JobTypes::builtin();
    let mut job_type = JobType::new(HandlerSpec::Echo {});
    job_type.pool = stuck.clone();
    job_types.insert("stuck", job_type);
    api.deps.job_types = Arc::new(job_types);
    api.router = flotilla_api::router(api.deps.clone(), api.config.clone());
    // More turns than one pool may have in the air.
    let silent = api.create(json!({"job_type": "stuck"}), 64).await;
    let mut fleet = Fleet::beside(&api, Some(stuck)).await;
    let queued = async || {
        let batch = api.get(&format!("/v1/batches/{silent}")).await.json;
        batch["counts"]["queued"].as_u64().unwrap()
    };
    let deadline = Instant::now() + Duration::from_secs(20);
    while queued().await < 40 {
        assert!(Instant::now() < deadline, "its turns are not in the air");
        sleep(Duration::from_millis(5)).await;
    }
    api.create(json!({}), 30).await;
    for _ in 0..30 {
        fleet.item().await;
    }
    assert_eq!(queued().await, 40, "and no more is claimed for it");
    fleet.stop().await;
}

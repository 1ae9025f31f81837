//! The fleet, as one space sees it.

use std::time::Duration;

use flotilla_core::worker::{Doing, Running, WorkerStatus};
use flotilla_core::{BatchId, WorkerId};
use serde_json::{Value, json};

use crate::harness::Api;

fn idle(api: &Api, id: &str) -> WorkerStatus {
    let now = api.deps.clock.now();
    WorkerStatus {
        id: WorkerId(id.into()),
        pools: vec!["default".parse().unwrap()],
        concurrency: 8,
        running: Vec::new(),
        held: 0,
        holding: None,
        doing: Vec::new(),
        draining: false,
        started_at: now,
        seen_at: now,
        version: "1.2.3".into(),
    }
}

async fn heartbeat(api: &Api, worker: &WorkerStatus) {
    let noted = api.deps.progress.heartbeat(worker, Duration::from_secs(60)).await;
    noted.unwrap();
}

#[tokio::test]
async fn a_space_sees_what_workers_do_for_it_and_how_much_for_others() {
    let api = Api::new().await;
    let (own, other) = (api.batch_of("a", "1\n").await, api.batch_of("b", "1\n").await);
    let ids: Vec<BatchId> = [&own, &other].map(|id| id.parse().unwrap()).into();
    let now = api.deps.clock.now();
    let worker = WorkerStatus {
        running: ids.iter().map(|&batch| Running { batch, items: 2 }).collect(),
        held: 5,
        doing: ids
            .iter()
            .chain(&[api.deps.ids.batch()])
            .map(|&batch| Doing {
                batch,
                index: 3,
                attempt: 1,
                job_type: "echo".into(),
                since: now,
            })
            .collect(),
        ..idle(&api, "w-1")
    };
    heartbeat(&api, &worker).await;
    for (space, batches) in [("a", vec![&own]), ("b", vec![&other]), ("c", vec![])] {
        let workers = api.get(&format!("/v1/workers?space={space}")).await.json;
        let worker = &workers["workers"][0];
        assert_eq!(
            (
                &worker["id"],
                &worker["running"],
                &worker["held"],
                &worker["concurrency"]
            ),
            (&json!("w-1"), &json!(4), &json!(5), &json!(8))
        );
        let doing = worker["doing"].as_array().unwrap();
        let shown: Vec<_> = doing
            .iter()
            .map(|doing| doing["batch_id"].as_str().unwrap())
            .collect();
        assert_eq!(shown, batches, "{space}");
    }
}

/// An order is heard by whoever asks for it, and can be repeated.
#[tokio::test]
async fn workers_are_told_to_drain_and_to_work_again() {
    let api = Api::new().await;
    // As a host may be called.
    let worker = idle(&api, "host/a b:7");
    heartbeat(&api, &worker).await;
    heartbeat(&api, &idle(&api, "other")).await;
    let told = async || {
        let workers = api.get("/v1/workers").await.json;
        let told = workers["workers"].as_array().unwrap().iter();
        told.map(|worker| worker["told_to_drain"].as_bool().unwrap())
            .collect::<Vec<_>>()
    };
    for (order, drain) in [
        ("drain", true),
        ("drain", true),
        ("resume", false),
        ("resume", false),
    ] {
        let path = format!("/v1/workers/host%2Fa%20b:7/{order}");
        let answer = api.ask("POST", &path, Value::Null).await;
        assert_eq!(
            (answer.status, &answer.json),
            (200, &json!({"id": "host/a b:7", "told_to_drain": drain}))
        );
        assert_eq!(told().await, [drain, false]);
        let heard = api
            .deps
            .progress
            .told_to_drain(std::slice::from_ref(&worker.id))
            .await;
        assert_eq!(heard.unwrap(), [drain]);
    }
    let answer = api.ask("POST", "/v1/workers/nobody/drain", Value::Null).await;
    assert!(answer.problem(404, "unknown-worker").contains("nobody"));
    let answer = api
        .ask("POST", "/v1/workers/other/drain", json!({"for": 3}))
        .await;
    answer.problem(400, "unknown-field");
    assert_eq!(told().await, [false, false]);
}

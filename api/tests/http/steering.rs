//! Doing something to a batch.

use std::time::Duration;

use axum::body::Body;
use axum::http::Request;
use flotilla_core::message::Verdict;
use flotilla_core::outcome::Output;
use flotilla_core::snapshot::Snapshot;
use flotilla_core::{BatchId, BatchState, Json, Space};
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::harness::{Answer, Api};

async fn as_ann(api: &Api, method: &str, path: &str) -> Answer {
    let request = Request::builder().method(method).uri(path);
    let request = request.header("x-flotilla-actor", "ann").body(Body::empty());
    api.send(request.unwrap()).await
}

#[tokio::test]
async fn a_batch_is_paused_resumed_and_cancelled() {
    let api = Api::new().await;
    let id = api.create(json!({}), 5).await;
    let batch: BatchId = id.parse().unwrap();
    let path = |action: &str| format!("/v1/batches/{id}/{action}");
    for _ in 0..2 {
        let paused = as_ann(&api, "POST", &path("pause")).await;
        assert_eq!(paused.json["state"], "paused", "{}", paused.text);
        assert_eq!(
            (&paused.json["paused"]["reason"], &paused.json["paused"]["by"]),
            (&json!("requested"), &json!("ann"))
        );
    }
    assert!(api.dispatch(batch).await.is_empty());
    let detail = api.ask("POST", &path("run"), Value::Null).await;
    assert!(
        detail
            .problem(409, "conflict")
            .contains("paused can't be started; resume it")
    );
    for _ in 0..2 {
        let resumed = api.act(&id, "resume", json!({})).await;
        assert_eq!(
            (&resumed["state"], &resumed["paused"]),
            (&json!("pending"), &Value::Null)
        );
    }
    assert!(!api.dispatch(batch).await.is_empty());
    for _ in 0..2 {
        assert_eq!(api.act(&id, "cancel", Value::Null).await["state"], "cancelling");
    }
    for action in ["pause", "resume", "run", "retry"] {
        let refused = api.ask("POST", &path(action), Value::Null).await;
        refused.problem(409, "conflict");
        assert_eq!(refused.json["state"], "cancelling");
    }
    let history = api.get(&path("history")).await.json;
    let told: Vec<_> = history["history"]
        .as_array()
        .unwrap()
        .iter()
        .map(|event| (event["action"].as_str().unwrap(), event["by"].as_str().unwrap()))
        .collect();
    assert_eq!(told, [("pause", "ann"), ("resume", "api"), ("cancel", "api")]);
}

#[tokio::test]
async fn what_is_done_is_shown_at_once_and_wakes_the_publisher() {
    let api = Api::new().await;
    let id = api.create(json!({}), 5).await;
    let batch: BatchId = id.parse().unwrap();
    api.dispatch(batch).await;
    let stored = api
        .deps
        .store
        .batch(&Space::default(), batch)
        .await
        .unwrap()
        .unwrap();
    let running = Snapshot::of(&stored, 3, api.deps.clock.now());
    api.deps.progress.publish(&[running]).await.unwrap();
    timeout(Duration::from_secs(5), api.deps.wake.notified())
        .await
        .expect("of its creation");

    let paused = api.act(&id, "pause", Value::Null).await;
    assert_eq!(paused["counts"]["processing"], 3);
    timeout(Duration::from_secs(5), api.deps.wake.notified())
        .await
        .expect("a wake-up");
    let shown = api.deps.progress.read(&[batch]).await.unwrap();
    let snapshot = shown[0].as_ref().unwrap();
    assert_eq!(
        (snapshot.state, snapshot.counts.processing),
        (BatchState::Paused, 3)
    );
    let steering = api.deps.progress.steering(&[batch]).await.unwrap();
    assert_eq!(steering[0].unwrap().state, BatchState::Paused);
}

#[tokio::test]
async fn limits_change_and_are_lifted() {
    let api = Api::new().await;
    let id = api.create(json!({"concurrency": 9, "name": "old"}), 5).await;
    let path = format!("/v1/batches/{id}");
    let read = |batch: &Value| {
        ["name", "priority", "concurrency", "rate_limit_per_s"].map(|name| batch[name].clone())
    };
    let change = json!({"name": "new", "priority": 5, "concurrency": 2, "rate_per_s": 0.5});
    for _ in 0..2 {
        let changed = api.ask("PATCH", &path, change.clone()).await;
        assert_eq!(
            read(&changed.json),
            [json!("new"), json!(5), json!(2), json!(0.5)],
            "{}",
            changed.text
        );
    }
    assert_eq!(
        api.dispatch(id.parse().unwrap()).await[0].items.len(),
        1,
        "as the rate allows"
    );
    let lifted = json!({"concurrency": null, "rate_per_s": null});
    let lifted = api.ask("PATCH", &path, lifted).await;
    assert_eq!(
        read(&lifted.json),
        [json!("new"), json!(5), Value::Null, Value::Null]
    );
    assert_eq!(lifted.json["state"], "processing");
    for (body, slug, part) in [
        (Value::Null, "missing-field", "`concurrency`"),
        (
            json!({"job_type": "sleep"}),
            "unknown-field",
            "known are: name, priority",
        ),
        (json!({"priority": 1000}), "invalid-field", "-100 and 100"),
        (json!({"concurrency": 0}), "invalid-field", "between 1"),
        (json!({"rate_per_s": "fast"}), "invalid-field", "over 0"),
    ] {
        let refused = api.ask("PATCH", &path, body).await;
        assert!(refused.problem(400, slug).contains(part), "{}", refused.text);
    }
    let history = api.get(&format!("{path}/history")).await.json;
    assert_eq!(
        history["history"][0]["detail"],
        "name new, priority 5, concurrency 2, rate_per_s 0.5"
    );
    assert_eq!(history["history"].as_array().unwrap().len(), 2, "{history}");
}

#[tokio::test]
async fn a_manual_batch_waits_for_run() {
    let api = Api::new().await;
    let id = api.create(json!({"start": "manual"}), 5).await;
    assert!(api.dispatch(id.parse().unwrap()).await.is_empty());
    let reasons = api.get(&format!("/v1/batches/{id}/explain")).await.json;
    assert_eq!(
        (&reasons["reasons"][0]["code"], &reasons["reasons"][0]["count"]),
        (&json!("not_started"), &json!(5))
    );
    for _ in 0..2 {
        let run = api.act(&id, "run", json!({"concurrency": 2})).await;
        assert_eq!((&run["start"], &run["concurrency"]), (&json!("auto"), &json!(2)));
    }
    assert_eq!(api.dispatch(id.parse().unwrap()).await[0].items.len(), 2);
}

#[tokio::test]
async fn a_batch_is_deleted_with_everything() {
    let api = Api::new().await;
    let id = api.create(json!({}), 2).await;
    let path = format!("/v1/batches/{id}");
    let refused = api.ask("DELETE", &path, Value::Null).await;
    assert!(
        refused.problem(409, "conflict").contains("?force=true"),
        "{}",
        refused.text
    );
    api.ask("DELETE", &format!("{path}?force=maybe"), Value::Null)
        .await
        .problem(400, "invalid-parameter");
    let deleted = api
        .ask("DELETE", &format!("{path}?force=true"), Value::Null)
        .await;
    assert_eq!((deleted.status, deleted.text.as_str()), (204, ""));
    for gone in [
        path.clone(),
        format!("{path}/items"),
        format!("{path}/result"),
        format!("{path}/explain"),
    ] {
        api.get(&gone).await.problem(404, "unknown-batch");
    }
    assert_eq!(api.get("/v1/batches").await.json["batches"], json!([]));
    let steering = api.deps.progress.steering(&[id.parse().unwrap()]).await.unwrap();
    assert_eq!(steering[0].unwrap().state, BatchState::Cancelling, "workers stop");

    let ended = api.create(json!({}), 1).await;
    let batch = ended.parse().unwrap();
    api.dispatch(batch).await;
    api.report(batch, 0, 1, Verdict::Done(Output::Inline(Json::null())))
        .await;
    let deleted = api
        .ask("DELETE", &format!("/v1/batches/{ended}"), Value::Null)
        .await;
    assert_eq!(deleted.status, 204, "{}", deleted.text);
    api.get(&format!("/v1/batches/{ended}"))
        .await
        .problem(404, "unknown-batch");
}

#[tokio::test]
async fn requests_that_make_no_sense_are_refused() {
    let api = Api::new().await;
    let id = api.create(json!({}), 1).await;
    let pause = format!("/v1/batches/{id}/pause");
    api.ask("POST", &pause, json!({"why": 1}))
        .await
        .problem(400, "unknown-field");
    api.ask("POST", &pause, json!([1]))
        .await
        .problem(400, "invalid-json");
    api.ask("POST", "/v1/batches/none/pause", Value::Null)
        .await
        .problem(404, "unknown-batch");
    let form = Request::post(&pause).header("content-type", "application/x-www-form-urlencoded");
    let form = api.send(form.body(Body::from("{}")).unwrap()).await;
    form.problem(415, "unsupported-media-type");
    for actor in ["flotilla", ""] {
        let request = Request::post(&pause).header("x-flotilla-actor", actor);
        let refused = api.send(request.body(Body::empty()).unwrap()).await;
        refused.problem(400, "invalid-actor");
    }
    assert_eq!(
        api.get(&format!("/v1/batches/{id}")).await.json["state"],
        "pending"
    );
}

//! Engines that are away: what still works, and what is said about the rest.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::body::Body;
use axum::http::Request;
use flotilla_core::ports::Store;
use futures_util::future::join_all;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::harness::{Absent, Answer, Api, JSON, Lossy, NDJSON, config};

/// The longest that a client may wait to hear that the store is away: uploads try again for some seconds.
const SOON: Duration = Duration::from_secs(10);

/// What is answered without the store.
const WITHOUT_STORE: [&str; 9] = [
    "/healthz",
    "/readyz",
    "/openapi.json",
    "/v1/job-types",
    "/v1/workers",
    "/v1/workers/{worker}/drain",
    "/v1/workers/{worker}/resume",
    "/v1/events",
    "/v1/ws",
];

/// An API over a store that will be gone, and a batch that is in it.
async fn api() -> (Api, Arc<Lossy>, String) {
    let mut lossy = None;
    let wrap = |store| -> Arc<dyn Store> { Arc::clone(lossy.insert(Arc::new(Lossy::new(store)))) as _ };
    let api = Api::over(config(), wrap).await;
    let batch = api.create(json!({}), 3).await;
    (api, lossy.unwrap(), batch)
}

/// A body that the operation takes.
fn body_for(method: &str, path: &str) -> (&'static str, String) {
    match (method, path) {
        ("POST", "/v1/batches") | ("POST", "/v1/batches/{id}/items") => (NDJSON, "{}\n".into()),
        ("PATCH", _) => (JSON, json!({"priority": 3}).to_string()),
        ("POST", "/v1/dead-letters/redrive" | "/v1/dead-letters/discard") => {
            (JSON, json!({"fingerprint": "0123456789ab"}).to_string())
        }
        ("POST", "/v1/callbacks/{token}") => (JSON, json!({"output": 1}).to_string()),
        _ => (JSON, String::new()),
    }
}

async fn ask(api: &Api, method: String, path: &str, batch: &str) -> (String, Answer, Duration) {
    let (content_type, body) = body_for(&method, path);
    let mut uri = path.replace("{id}", batch).replace("{batch}", batch);
    uri = uri.replace("{index}", "0");
    if (method.as_str(), path) == ("POST", "/v1/batches") {
        uri.push_str("?job_type=echo");
    }
    let mut request = Request::builder().method(&*method).uri(&uri);
    if !body.is_empty() {
        request = request.header("content-type", content_type);
    }
    let asked = Instant::now();
    let answer = api.send(request.body(Body::from(body)).unwrap()).await;
    (format!("{method} {path}"), answer, asked.elapsed())
}

/// Every operation of the document, with a request that would succeed but for the store.
#[tokio::test]
async fn without_a_store_every_operation_says_so_soon() {
    let (api, store, batch) = api().await;
    let document = api.get("/openapi.json").await.json;
    store.gone.store(true, Ordering::SeqCst);
    let mut asking = Vec::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        let needs_it = !WITHOUT_STORE.contains(&path.as_str());
        for method in methods.as_object().unwrap().keys().filter(|_| needs_it) {
            asking.push(ask(&api, method.to_uppercase(), path, &batch));
        }
    }
    assert!(asking.len() >= 24, "{} operations", asking.len());
    for (operation, answer, took) in join_all(asking).await {
        let detail = answer.problem(503, "unavailable");
        assert!(!detail.contains("secret"), "{operation}: {detail}");
        let wait: u64 = answer.header("retry-after").unwrap().parse().unwrap();
        assert!((1..=60).contains(&wait), "{operation}");
        assert!(took < SOON, "{operation} took {took:?}");
    }

    store.gone.store(false, Ordering::SeqCst);
    assert_eq!(
        api.get(&format!("/v1/batches/{batch}")).await.status,
        200,
        "it goes on"
    );
    assert_eq!(api.rows(), (1, 3), "nothing was stored by halves");
}

#[tokio::test]
async fn without_a_store_this_is_not_ready() {
    let (api, store, _) = api().await;
    store.gone.store(true, Ordering::SeqCst);
    let ready = api.get("/readyz").await;
    assert_eq!(
        (ready.status, &ready.json["status"]),
        (503, &json!("unavailable"))
    );
    assert_eq!(ready.json["checks"][0]["ok"], false);
    assert_eq!(api.get("/healthz").await.status, 200, "a restart would not help");
    assert_eq!(api.get("/v1/job-types").await.status, 200);
}

/// The store is all that accepting needs.
#[tokio::test]
async fn without_broker_and_live_view_batches_are_accepted_and_read() {
    let mut api = Api::new().await;
    api.deps.progress = Arc::new(Absent);
    api.deps.broker = Some(Arc::new(Absent));
    api.router = flotilla_api::router(api.deps.clone(), api.config.clone());

    let batch = api.create(json!({}), 3).await;
    let id = batch.parse().unwrap();
    assert_eq!(api.dispatch(id).await.len(), 1, "one claim");
    let read = api.get(&format!("/v1/batches/{batch}")).await;
    assert_eq!((read.status, &read.json["counts"]["queued"]), (200, &json!(3)));
    for path in ["", "/items", "/explain", "/history"] {
        let answer = api.get(&format!("/v1/batches/{batch}{path}")).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text);
    }
    for action in ["pause", "resume", "cancel"] {
        api.act(&batch, action, Value::Null).await;
    }
    let workers = api.get("/v1/workers").await;
    workers.problem(503, "unavailable");
    assert!(workers.header("retry-after").is_some());

    let ready = api.get("/readyz").await;
    assert_eq!((ready.status, &ready.json["status"]), (200, &json!("degraded")));
    let names = ready.json["checks"].as_array().unwrap().iter();
    let away: Vec<_> = names
        .filter(|check| check["ok"] == false)
        .map(|check| check["name"].as_str().unwrap())
        .collect();
    assert_eq!(away, ["progress", "broker"]);
    assert_eq!(ready.json["parked"], Value::Null);
}

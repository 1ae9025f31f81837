//! What operators' tools ask.

use axum::body::Body;
use axum::http::Request;
use serde_json::json;

use crate::harness::Api;

#[tokio::test]
async fn probes_tell_how_it_is() {
    let api = Api::new().await;
    assert_eq!(api.get("/healthz").await.json, json!({"status": "ok"}));
    let ready = api.get("/readyz").await;
    let check = |name| json!({"name": name, "ok": true, "error": null});
    assert_eq!(
        ready.json,
        json!({"status": "ready", "checks": [check("store"), check("progress")], "parked": null})
    );
    api.deps.tasks.shutdown().drain();
    let stopping = api.get("/readyz").await;
    assert_eq!(
        (stopping.status, &stopping.json["status"]),
        (503, &json!("stopping"))
    );
    assert_eq!(api.get("/healthz").await.status, 200);
}

#[tokio::test]
async fn job_types_are_listed() {
    let api = Api::new().await;
    let listed = api.get("/v1/job-types").await.json;
    let echo = json!({
        "name": "echo", "handler": "echo", "pool": "default", "timeout_s": 300.0, "max_attempts": 1,
        "callback_timeout_s": null, "concurrency": null, "rate_per_s": null, "schema": null,
    });
    assert_eq!(listed["job_types"][0], echo);
    assert_eq!(listed["job_types"][1]["name"], "sleep");
}

#[tokio::test]
async fn requests_have_ids() {
    let api = Api::new().await;
    let ask = |id: &'static str| {
        Request::get("/healthz")
            .header("x-request-id", id)
            .body(Body::empty())
            .unwrap()
    };
    assert_eq!(api.send(ask("job-7")).await.header("x-request-id"), Some("job-7"));
    let replaced = api.send(ask("{\"forged\": 1}")).await;
    assert!(replaced.header("x-request-id").is_some_and(|id| id.len() == 36));
}

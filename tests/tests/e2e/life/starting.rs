//! When a batch starts.

use std::time::Duration;

use flotilla_core::{Clock, SystemClock};
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::backend::Backend;
use crate::engine::{Deployment, Engine, PATIENCE, on_both_engines};

on_both_engines!(
    a_manual_batch_waits_for_run,
    a_batch_starts_at_its_time,
    an_open_batch_takes_items_until_it_is_sealed,
);

fn items(count: u32, ms: u64) -> Vec<Value> {
    (0..count).map(|n| json!({"n": n, "ms": ms})).collect()
}

async fn a_manual_batch_waits_for_run(engine: Engine) {
    let backend = Backend::start().await;
    let deployment = Deployment::start(engine, &backend.job_type("work", "")).await;
    let client = deployment.client();
    let manual = client
        .create(json!({"job_type": "work", "start": "manual"}), items(40, 20))
        .await;
    // What comes later and does not wait overtakes it: by then it would have started.
    let other = client.create(json!({"job_type": "work"}), items(40, 0)).await;
    client.result(&other, PATIENCE).await;
    let calls = backend.calls();
    assert!(
        calls.iter().all(|call| call.key.starts_with(&other)),
        "it has not started"
    );
    assert_eq!(client.batch(&manual).await["state"], "pending");
    assert_eq!(client.reasons(&manual).await, ["not_started"]);

    backend.forget_most();
    client.act(&manual, "run", Some(json!({"concurrency": 3}))).await;
    client.act(&manual, "run", None).await;
    let result = client.result(&manual, PATIENCE).await;
    assert_eq!(result["result_summary"]["succeeded"], 40, "{result}");
    assert!(backend.most("") <= 3, "{} at once", backend.most(""));
    deployment.end().await;
}

async fn a_batch_starts_at_its_time(engine: Engine) {
    let backend = Backend::start().await;
    let deployment = Deployment::start(engine, &backend.job_type("work", "")).await;
    let client = deployment.client();
    let start = (SystemClock.now() + Duration::from_secs(2)).to_string();
    let batch = client
        .create(json!({"job_type": "work", "start": start}), items(20, 0))
        .await;
    assert_eq!(client.reasons(&batch).await, ["not_started"]);
    client.result(&batch, PATIENCE).await;
    let started: jiff::Timestamp = client.batch(&batch).await["started_at"]
        .as_str()
        .unwrap()
        .parse()
        .unwrap();
    let late = started.duration_since(start.parse().unwrap()).as_secs_f64();
    assert!((0.0..2.0).contains(&late), "started {late} s after its time");
    assert_eq!(backend.count(), 20);
    deployment.end().await;
}

async fn an_open_batch_takes_items_until_it_is_sealed(engine: Engine) {
    let backend = Backend::start().await;
    let deployment = Deployment::start(engine, &backend.job_type("work", "")).await;
    let client = deployment.client();
    let batch = client
        .create(json!({"job_type": "work", "start": "open"}), items(3, 0))
        .await;
    let path = format!("/v1/batches/{batch}/items");
    assert_eq!(client.batch(&batch).await["state"], "open");
    assert_eq!(client.reasons(&batch).await, ["not_sealed"]);

    let appended = client
        .post(&path, "application/x-ndjson", "{\"n\":3}\n{\"n\":4}\n")
        .await;
    assert!(appended.status().is_success());
    let refused = client
        .post(&path, "application/x-ndjson", "{\"n\":5}\n{\"n\":6}\nrubbish\n")
        .await;
    assert!(refused.status().is_client_error(), "{}", refused.status());
    let appended = client.post(&path, "text/csv", "n,ms\n5,0\n6,0\n").await;
    assert!(appended.status().is_success());
    assert_eq!(
        client.batch(&batch).await["counts"]["total"],
        7,
        "all of a request or nothing"
    );
    assert_eq!(backend.count(), 0, "nothing starts before it is sealed");

    client.act(&batch, "seal", None).await;
    client.act(&batch, "seal", None).await;
    let result = client.result(&batch, PATIENCE).await;
    assert_eq!(result["result_summary"]["succeeded"], 7, "{result}");
    let late = client.post(&path, "application/x-ndjson", "{\"n\":7}\n").await;
    assert_eq!(late.status(), StatusCode::CONFLICT);
    assert_eq!(backend.count(), 7);
    deployment.end().await;
}

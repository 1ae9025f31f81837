//! Batches that are accepted.

use std::time::Duration;

use flotilla_core::BatchState;
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::harness::{Api, CSV, JSON, NDJSON};

/// The items of a batch, as clients read them.
async fn items(api: &Api, id: &str) -> Vec<Value> {
    let page = api.get(&format!("/v1/batches/{id}/items")).await;
    page.json["items"].as_array().unwrap().clone()
}

#[tokio::test]
async fn an_accepted_batch_reads_as_documented() {
    let api = Api::new().await;
    let body = json!({
        "name": "nightly", "job_type": "echo", "priority": 7, "concurrency": 3, "metadata": {"run": 1},
        "items": [1, 2, 3, 4, 5],
    });
    let answer = api.post("", JSON, body.to_string()).await;
    assert_eq!(answer.status, 202, "{}", answer.text);
    let id = answer.json["id"].as_str().unwrap();
    assert_eq!(answer.header("location"), Some(&*format!("/v1/batches/{id}")));
    assert_eq!(answer.header("idempotency-replayed"), None);
    assert!(answer.header("x-request-id").is_some());
    let mut batch = answer.json.clone();
    assert!(batch["created_at"].as_str().unwrap().ends_with('Z'));
    for volatile in ["id", "created_at"] {
        batch.as_object_mut().unwrap().remove(volatile);
    }
    let counts = json!({
        "total": 5, "pending": 5, "queued": 0, "processing": 0, "retrying": 0, "waiting": 0, "succeeded": 0, "failed": 0,
        "cancelled": 0,
    });
    assert_eq!(
        batch,
        json!({
            "space": "default", "name": "nightly", "job_type": "echo", "state": "pending", "counts": counts,
            "percent": 0.0, "rate_per_s": 0.0, "eta": null, "concurrency": 3, "priority": 7, "started_at": null,
            "completed_at": null, "error": null, "metadata": {"run": 1}, "paused": null, "start": "auto",
            "awaits_approval": false, "canary": null, "rate_limit_per_s": null, "max_attempts": 1, "timeout_s": 300.0,
            "deadline": null, "failure_threshold": null, "revision": 0, "skipped": 0, "deduplicate_s": null, "on_complete": null, "expires_at": null,
            "part_expires_at": {"inputs": null, "outputs": null, "artifacts": null, "dead_letters": null},
            "expired": [], "archived": false,
            "retention": {
                "inputs_s": null, "outputs_s": null, "artifacts_s": null, "dead_letters_s": null, "results_s": null,
                "archive": false,
            },
        })
    );
    assert_eq!(api.get(&format!("/v1/batches/{id}")).await.json, answer.json);
    assert_eq!(api.rows(), (1, 5));
}

#[tokio::test]
async fn three_formats_are_the_same_items() {
    let api = Api::new().await;
    let json = r#"{"items": [{"custom_id":"a","n":"1"}, {"custom_id":"b","n":"x \"y\""}, {"custom_id":"","n":""}], "job_type": "echo"}"#;
    let ndjson = "{\"custom_id\":\"a\",\"n\":\"1\"}\n\n{\"custom_id\":\"b\",\"n\":\"x \\\"y\\\"\"}\r\n{\"custom_id\":\"\",\"n\":\"\"}";
    let csv = "custom_id,n\na,1\r\nb,\"x \"\"y\"\"\"\n,\n";
    let mut all = Vec::new();
    for (query, content_type, body) in [
        ("", JSON, json),
        ("?job_type=echo", NDJSON, ndjson),
        ("?job_type=echo", "application/jsonl", ndjson),
        ("?job_type=echo", CSV, csv),
    ] {
        let answer = api.post(query, content_type, body).await;
        assert_eq!(answer.status, 202, "{}", answer.text);
        all.push(items(&api, answer.json["id"].as_str().unwrap()).await);
    }
    assert_eq!(all[0].len(), 3);
    assert_eq!(all[0][1]["custom_id"], "b");
    assert_eq!(all[0][2]["custom_id"], Value::Null);
    assert!(all.iter().all(|items| *items == all[0]), "{all:#?}");
}

#[tokio::test]
async fn fields_come_before_and_after_the_items() {
    let api = Api::new().await;
    for body in [
        r#"{"space": "team", "job_type": "echo", "name": "n", "items": [1, 2, 3, 4, 5]}"#,
        r#"{"space": "team", "items": [1, 2, 3, 4, 5], "name": "n", "job_type": "echo"}"#,
        r#"{"items": [1], "name": "n", "job_type": "echo", "space": "team"}"#,
    ] {
        let answer = api.post("", JSON, body).await;
        assert_eq!(answer.status, 202, "{}", answer.text);
        assert_eq!(
            (&answer.json["space"], &answer.json["name"]),
            (&json!("team"), &json!("n"))
        );
    }
    let both = r#"{"items": [1, 2, 3, 4, 5], "space": "team", "job_type": "echo"}"#;
    assert_eq!(api.post("?space=team", JSON, both).await.status, 202);
}

#[tokio::test]
async fn an_empty_batch_is_complete_at_once() {
    let api = Api::new().await;
    for (query, content_type, body) in [
        ("", JSON, r#"{"job_type": "echo", "items": []}"#),
        ("?job_type=echo", NDJSON, "\n"),
        ("?job_type=echo", CSV, "a,b\n"),
    ] {
        let answer = api.post(query, content_type, body).await;
        assert_eq!(
            (answer.status, &answer.json["state"]),
            (202, &json!("completed")),
            "{}",
            answer.text
        );
        let id = answer.json["id"].as_str().unwrap();
        let result = api.get(&format!("/v1/batches/{id}/result")).await;
        assert_eq!((result.status, &result.json["success_rate"]), (200, &json!(1.0)));
    }
}

#[tokio::test]
async fn a_sealed_batch_wakes_the_publisher_and_is_shown() {
    let api = Api::new().await;
    let id = api.batch_of("default", "1\n2\n").await;
    timeout(Duration::from_secs(5), api.deps.wake.notified())
        .await
        .expect("a wake-up");
    let shown = api.deps.progress.read(&[id.parse().unwrap()]).await.unwrap();
    let snapshot = shown[0].as_ref().unwrap();
    assert_eq!((snapshot.state, snapshot.counts.total), (BatchState::Pending, 2));
}

//! What a batch is to do, as it is said and as it reads.

use serde_json::json;

use crate::harness::{Api, JSON, NDJSON};

#[tokio::test]
async fn every_option_is_kept_and_read() {
    let api = Api::new().await;
    let options = json!({
        "start": "2126-12-31T23:00:00+01:00", "rate_per_s": 2.5, "max_attempts": 7, "timeout": "90s",
        "backoff": {"initial": "2s", "max": 60}, "callback_timeout": 3600, "deadline": "2127-01-01T00:00:00Z",
        "failure_threshold": {"count": 5, "percent": 12.5, "min_sample": 20, "action": "fail"}, "canary": 3,
        "concurrency": 4, "priority": -7,
    });
    let query: Vec<String> = options
        .as_object()
        .unwrap()
        .iter()
        .map(|(name, value)| {
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            let encoded: String = text.bytes().map(|byte| format!("%{byte:02x}")).collect();
            format!("{name}={encoded}")
        })
        .collect();
    let by_query = api
        .post(&format!("?job_type=echo&{}", query.join("&")), NDJSON, "1\n")
        .await;
    assert_eq!(by_query.status, 202, "{}", by_query.text);
    let by_body = api.create(options, 1).await;
    for id in [by_query.json["id"].as_str().unwrap(), &by_body] {
        let batch = api.get(&format!("/v1/batches/{id}")).await.json;
        let expected = json!({
            "start": "2126-12-31T22:00:00Z", "rate_limit_per_s": 2.5, "max_attempts": 7, "timeout_s": 90.0,
            "deadline": "2127-01-01T00:00:00Z", "canary": 3, "awaits_approval": true, "concurrency": 4, "priority": -7,
            "failure_threshold": {"count": 5, "percent": 12.5, "min_sample": 20, "action": "fail"},
            "state": "pending", "paused": null, "revision": 0,
        });
        for (name, value) in expected.as_object().unwrap() {
            assert_eq!(&batch[name], value, "{name} of {batch}");
        }
    }
}

#[tokio::test]
async fn options_that_make_no_sense_are_refused() {
    let api = Api::new().await;
    for (field, value, part) in [
        ("start", json!("soon"), "\"manual\""),
        ("start", json!(7), "\"manual\""),
        ("rate_per_s", json!(0), "over 0"),
        ("max_attempts", json!(0), "1 to 1000"),
        ("timeout", json!("8 days"), "duration"),
        ("timeout", json!("200h"), "7 days"),
        ("callback_timeout", json!(0), "30 days"),
        ("backoff", json!({"first": "1s"}), "initial"),
        ("deadline", json!("2020-01-01T00:00:00Z"), "in the future"),
        ("failure_threshold", json!({"min_sample": 3}), "`count`"),
        ("canary", json!(0), "from 1"),
    ] {
        let mut body = json!({"job_type": "echo", "items": [1]});
        body[field] = value;
        let answer = api.post("", JSON, body.to_string()).await;
        let detail = answer.problem(400, "invalid-field");
        assert!(detail.contains(part) && answer.json["field"] == field, "{detail}");
    }
    assert_eq!(api.rows(), (0, 0));
}

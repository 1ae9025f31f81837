//! How long what batches leave stays: as it is said, as it reads, and what becomes of it.

use std::time::Duration;

use axum::body::Body;
use axum::http::Request;
use flotilla_api::Config;
use flotilla_core::BatchId;
use flotilla_core::message::Verdict;
use flotilla_core::outcome::{ItemError, ItemErrorKind, Output};
use flotilla_core::ports::Objects;
use flotilla_core::ports::store::Removed;
use flotilla_core::retention::{Part, Retention, Retentions};
use serde_json::{Value, json};
use tower::ServiceExt;

use crate::harness::{Api, JSON, NDJSON, config};

const DAY: Duration = Duration::from_secs(86_400);

/// Every item ended; the first one failed.
async fn end(api: &Api, id: &str, items: u32) -> BatchId {
    let batch: BatchId = id.parse().unwrap();
    api.dispatch(batch).await;
    for index in 0..items {
        let verdict = match index {
            0 => Verdict::Fail(ItemError::new(ItemErrorKind::Handler, "no")),
            _ => Verdict::Done(Output::Inline(flotilla_core::Json::string("done"))),
        };
        api.report(batch, index, 1, verdict).await;
    }
    batch
}

async fn remove(api: &Api, batch: BatchId, part: Part) {
    let (store, now) = (&api.deps.store, api.deps.clock.now());
    assert!(store.begin_expiry(batch, part, now).await.unwrap());
    while store.expire_some(batch, part, 10).await.unwrap() != Removed::All {}
    store.end_expiry(batch, part).await.unwrap();
}

async fn read(api: &Api, id: &str) -> Value {
    api.get(&format!("/v1/batches/{id}")).await.json
}

#[tokio::test]
async fn the_most_specific_wins() {
    let deployment = Retention {
        inputs: Some(5 * DAY),
        artifacts: Some(4 * DAY),
        results: Some(9 * DAY),
        ..Retention::default()
    };
    let space = Retention {
        artifacts: Some(3 * DAY),
        ..Retention::default()
    };
    let api = Api::with(Config {
        retention: Retentions {
            deployment,
            spaces: [("team".parse().unwrap(), space)].into(),
        },
        ..config()
    })
    .await;
    let body = json!({"job_type": "echo", "space": "team", "items": [1], "retention": {"inputs": "36h", "archive": true}});
    let by_body = api.post("", JSON, body.to_string()).await;
    let query = "?job_type=echo&space=team&retention=%7B%22inputs%22%3A%2236h%22%2C%22archive%22%3Atrue%7D";
    let by_query = api.post(query, NDJSON, "1\n").await;
    for answer in [by_body, by_query] {
        assert_eq!(answer.status, 202, "{}", answer.text);
        let expected = json!({
            "inputs_s": 129_600.0, "outputs_s": null, "artifacts_s": 259_200.0, "dead_letters_s": null,
            "results_s": 777_600.0, "archive": true,
        });
        assert_eq!(answer.json["retention"], expected);
        assert_eq!(answer.json["expires_at"], Value::Null, "it has not ended");
    }
    let elsewhere = api.create(json!({}), 1).await;
    assert_eq!(
        read(&api, &elsewhere).await["retention"]["artifacts_s"],
        345_600.0
    );
}

#[tokio::test]
async fn what_makes_no_sense_is_refused() {
    let api = Api::new().await;
    for (value, part) in [
        (json!("30d"), "must be an object"),
        (json!({"input": "30d"}), "unknown field `input`"),
        (json!({"inputs": "soon"}), "not a duration"),
        (json!({"results": "40000d"}), "at most 36500 days"),
        (json!({"archive": "yes"}), "boolean"),
    ] {
        let body = json!({"job_type": "echo", "items": [1], "retention": value});
        let answer = api.post("", JSON, body.to_string()).await;
        let detail = answer.problem(400, "invalid-field");
        assert!(
            detail.contains(part) && answer.json["field"] == "retention",
            "{detail}"
        );
    }
    assert_eq!(api.rows(), (0, 0));
}

#[tokio::test]
async fn a_batch_says_when_it_goes() {
    let api = Api::new().await;
    let retention = json!({"inputs": "2d", "outputs": "1d", "dead_letters": "20d", "results": "10d"});
    let id = api.create(json!({"retention": retention}), 2).await;
    end(&api, &id, 2).await;
    let batch = read(&api, &id).await;
    let ended: jiff::Timestamp = batch["completed_at"].as_str().unwrap().parse().unwrap();
    let after = |days: u32| json!((ended + DAY * days).to_string());
    assert_eq!(batch["expires_at"], after(10));
    let parts = json!({"inputs": after(2), "outputs": after(1), "artifacts": null, "dead_letters": null});
    assert_eq!(
        batch["part_expires_at"], parts,
        "what would outlive the whole goes with it"
    );
    assert_eq!(
        (&batch["expired"], &batch["archived"]),
        (&json!([]), &json!(false))
    );
}

#[tokio::test]
async fn without_inputs_nothing_is_retried() {
    let api = Api::new().await;
    let id = api
        .create(json!({"retention": {"inputs": 0, "outputs": 0}}), 3)
        .await;
    let batch = end(&api, &id, 3).await;
    remove(&api, batch, Part::Inputs).await;
    let read_back = read(&api, &id).await;
    assert_eq!(read_back["expired"], json!(["inputs"]));
    let items = api.get(&format!("/v1/batches/{id}/items")).await.json;
    for item in items["items"].as_array().unwrap() {
        assert_eq!(item["input"], Value::Null);
        assert_eq!(item["output"].is_null(), item["index"] == 0);
    }
    let refused = api
        .ask("POST", &format!("/v1/batches/{id}/retry"), json!({}))
        .await;
    assert!(
        refused.problem(409, "conflict").contains("inputs were removed"),
        "{}",
        refused.text
    );
    let redriven = api
        .ask("POST", "/v1/dead-letters/redrive", json!({"batch": id}))
        .await;
    assert_eq!(redriven.status, 200, "{}", redriven.text);
    assert!(redriven.text.contains("inputs were removed"), "{}", redriven.text);
    // All of a part goes at once for readers, although it goes row by row.
    let (store, now) = (&api.deps.store, api.deps.clock.now());
    assert!(store.begin_expiry(batch, Part::Outputs, now).await.unwrap());
    let file = api.get(&format!("/v1/batches/{id}/download")).await.text;
    assert_eq!(file.lines().count(), 3);
    assert!(
        file.lines().all(|line| line.contains("\"output\":null")),
        "{file}"
    );
}

#[tokio::test]
async fn an_archive_is_read_in_its_own_space() {
    let api = Api::new().await;
    let none = api.create(json!({}), 1).await;
    let path = format!("/v1/batches/{none}/archive");
    assert!(
        api.get(&path)
            .await
            .problem(404, "no-archive")
            .contains("does not ask")
    );
    let id = api
        .create(json!({"retention": {"inputs": "1d", "archive": true}}), 1)
        .await;
    let path = format!("/v1/batches/{id}/archive");
    assert!(api.get(&path).await.problem(404, "no-archive").contains("yet"));
    let batch: BatchId = id.parse().unwrap();
    for (revision, text) in [(1, "first"), (3, "third")] {
        let key = Objects::archive_key(&flotilla_core::Space::default(), batch, revision);
        let mut file = api.deps.objects.create(&key);
        file.write(text).await.unwrap();
        file.finish().await.unwrap();
    }
    let request = Request::get(&path).body(Body::empty()).unwrap();
    let response = api.router.clone().oneshot(request).await.unwrap();
    assert_eq!(response.headers()["content-type"], "application/gzip");
    assert_eq!(response.headers()["content-length"], "5");
    assert_eq!(api.get(&path).await.text, "third", "the latest");
    assert_eq!(api.get(&format!("{path}?revision=1")).await.text, "first");
    api.get(&format!("{path}?revision=2"))
        .await
        .problem(404, "no-archive");
    api.get(&format!("{path}?space=other"))
        .await
        .problem(404, "unknown-batch");
    // It outlives the batch.
    let gone = api
        .ask("DELETE", &format!("/v1/batches/{id}?force=true"), Value::Null)
        .await;
    assert!(gone.status < 300, "{}", gone.text);
    assert_eq!(api.get(&path).await.text, "third");
}

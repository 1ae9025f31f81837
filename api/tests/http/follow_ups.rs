//! What follows on a batch: as it is said, and as it reads.

use flotilla_core::BatchId;
use flotilla_core::item::NewItem;
use flotilla_core::message::Verdict;
use flotilla_core::outcome::{ItemError, ItemErrorKind, Output};
use flotilla_core::ports::store::NewBatch;
use flotilla_core::{Json, Space};
use serde_json::{Value, json};

use crate::harness::{Api, JSON, NDJSON};

fn said(text: &str) -> Verdict {
    Verdict::Done(Output::Inline(Json::string(text)))
}

/// As a scheduler does it.
async fn create(api: &Api, batch: BatchId) -> BatchId {
    let (store, now, space) = (&api.deps.store, api.deps.clock.now(), Space::default());
    let id = api.deps.ids.batch();
    let parent = store.batch(&space, batch).await.unwrap().unwrap();
    let spec = parent.spec.on_complete.as_ref().unwrap().spec(&parent);
    let new = NewBatch {
        id,
        space,
        idempotency_key: None,
        created_at: now,
    };
    let item = NewItem {
        custom_id: None,
        input: Json::null(),
    };
    store.create_batch(new, vec![item], spec, now).await.unwrap();
    store.follow_up_created(batch, 1, id).await.unwrap();
    id
}

#[tokio::test]
async fn a_result_shows_what_became_of_its_follow_up() {
    let api = Api::new().await;
    let on_complete = json!({"job_type": "sleep", "on": "success", "priority": 9, "max_attempts": 4, "timeout": "90s",
                             "metadata": {"a": 1}, "input": [1.50]});
    let id = api
        .create(json!({"on_complete": on_complete, "priority": 3}), 1)
        .await;
    let batch: BatchId = id.parse().unwrap();
    let shown =
        json!({"job_type": "sleep", "on": "success", "priority": 9, "max_attempts": 4, "timeout_s": 90.0});
    assert_eq!(
        api.get(&format!("/v1/batches/{id}")).await.json["on_complete"],
        shown
    );
    api.dispatch(batch).await;
    api.report(batch, 0, 1, said("one")).await;
    let path = format!("/v1/batches/{id}/result");
    let read = || async { api.get(&path).await.json["on_complete"].clone() };
    let pending = json!({"batch_id": null, "state": "pending", "output": null, "error": null});
    assert_eq!(read().await, pending);
    let follow_up = create(&api, batch).await;
    let created =
        json!({"batch_id": follow_up.to_string(), "state": "pending", "output": null, "error": null});
    assert_eq!(read().await, created);
    api.dispatch(follow_up).await;
    api.report(follow_up, 0, 1, said("sum")).await;
    let done =
        json!({"batch_id": follow_up.to_string(), "state": "completed", "output": "sum", "error": null});
    assert_eq!(read().await, done);
    let gone = api
        .ask("DELETE", &format!("/v1/batches/{follow_up}"), Value::Null)
        .await;
    assert!(gone.status < 300);
    assert_eq!(read().await["state"], "gone");
}

#[tokio::test]
async fn a_follow_up_that_failed_says_why() {
    let api = Api::new().await;
    let query = "?job_type=echo&on_complete=%7B%22job_type%22%3A%22echo%22%7D";
    let answer = api.post(query, NDJSON, "1\n").await;
    assert_eq!(answer.status, 202, "{}", answer.text);
    assert_eq!(answer.json["on_complete"]["on"], "complete");
    let batch: BatchId = answer.json["id"].as_str().unwrap().parse().unwrap();
    api.dispatch(batch).await;
    api.report(batch, 0, 1, said("one")).await;
    let follow_up = create(&api, batch).await;
    api.dispatch(follow_up).await;
    let error = ItemError::new(ItemErrorKind::Handler, "no sum");
    api.report(follow_up, 0, 1, Verdict::Fail(error)).await;
    let result = api.get(&format!("/v1/batches/{batch}/result")).await.json;
    assert_eq!(
        result["on_complete"]["error"],
        json!({"kind": "handler", "message": "no sum"})
    );
    let own = api.get(&format!("/v1/batches/{follow_up}/result")).await.json;
    assert_eq!(own["on_complete"], Value::Null, "nothing follows on it");
}

#[tokio::test]
async fn what_calls_for_none_shows_none() {
    let api = Api::new().await;
    let id = api
        .create(json!({"on_complete": {"job_type": "echo", "on": "failed"}}), 1)
        .await;
    let batch: BatchId = id.parse().unwrap();
    api.dispatch(batch).await;
    api.report(batch, 0, 1, said("one")).await;
    let result = api.get(&format!("/v1/batches/{id}/result")).await.json;
    assert_eq!(result["on_complete"], Value::Null);
}

#[tokio::test]
async fn what_makes_no_sense_is_refused() {
    let api = Api::new().await;
    let long = "x".repeat(40_000);
    for (value, kind, part) in [
        (json!("sum"), "invalid-field", "must be an object"),
        (json!({"on": "success"}), "invalid-field", "job_type"),
        (json!({"job_type": "ehco"}), "unknown-job-type", "echo, sleep"),
        (
            json!({"job_type": "echo", "on": "later"}),
            "invalid-field",
            "`success`, `complete`",
        ),
        (
            json!({"job_type": "echo", "priority": 101}),
            "invalid-field",
            "-100 to 100",
        ),
        (
            json!({"job_type": "echo", "max_attempts": 0}),
            "invalid-field",
            "1 to 1000",
        ),
        (
            json!({"job_type": "echo", "timeout": 0}),
            "invalid-field",
            "7 days",
        ),
        (
            json!({"job_type": "echo", "metadata": [1]}),
            "invalid-field",
            "JSON object",
        ),
        (
            json!({"job_type": "echo", "input": long}),
            "invalid-field",
            "32768 bytes",
        ),
        (
            json!({"job_type": "echo", "on_complete": {"job_type": "echo"}}),
            "invalid-field",
            "unknown field `on_complete`",
        ),
    ] {
        let body = json!({"job_type": "echo", "items": [1], "on_complete": value});
        let answer = api.post("", JSON, body.to_string()).await;
        let detail = answer.problem(400, kind);
        assert!(detail.contains(part), "{detail}");
        assert_eq!(answer.json["field"], "on_complete", "{detail}");
    }
    assert_eq!(api.rows(), (0, 0));
}

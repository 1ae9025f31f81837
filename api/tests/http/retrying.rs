//! Items that failed, and run again.

use flotilla_core::message::Verdict;
use flotilla_core::outcome::{ItemError, ItemErrorKind, Output};
use flotilla_core::{BatchId, Json};
use serde_json::{Value, json};

use crate::harness::Api;

fn failed(message: &str) -> Verdict {
    Verdict::Fail(ItemError::new(ItemErrorKind::Handler, message))
}

fn done() -> Verdict {
    Verdict::Done(Output::Inline(Json::null()))
}

/// A batch of five items of which one succeeded and the others failed: three of one kind.
async fn ended(api: &Api) -> String {
    let id = api.create(json!({}), 5).await;
    let batch: BatchId = id.parse().unwrap();
    api.dispatch(batch).await;
    for index in 0..3 {
        api.report(batch, index, 1, failed(&format!("took over {index} s")))
            .await;
    }
    api.report(batch, 3, 1, failed("no such file")).await;
    api.report(batch, 4, 1, done()).await;
    id
}

#[tokio::test]
async fn errors_are_grouped_and_a_group_runs_again() {
    let api = Api::new().await;
    let id = ended(&api).await;
    let errors = api.get(&format!("/v1/batches/{id}/errors")).await.json;
    assert_eq!(errors["failed"], 4);
    let groups = errors["errors"].as_array().unwrap();
    assert_eq!(
        groups
            .iter()
            .map(|group| group["count"].clone())
            .collect::<Vec<_>>(),
        [json!(3), json!(1)]
    );
    let fingerprint = &groups[0]["fingerprint"];
    let dry = api
        .act(&id, "retry", json!({"fingerprint": fingerprint, "dry_run": true}))
        .await;
    assert_eq!((&dry["items"], &dry["dry_run"]), (&json!(3), &json!(true)));
    assert_eq!(dry["batch"]["state"], "completed", "{dry}");
    let retried = api.act(&id, "retry", json!({"fingerprint": fingerprint})).await;
    assert_eq!(
        (&retried["items"], &retried["batch"]["state"]),
        (&json!(3), &json!("processing"))
    );
    let again = api.act(&id, "retry", json!({"fingerprint": fingerprint})).await;
    assert_eq!(again["items"], 0, "what runs has not ended: {again}");
    let errors = api.get(&format!("/v1/batches/{id}/errors")).await.json;
    assert_eq!(
        (&errors["failed"], &errors["errors"][0]["sample"]),
        (&json!(1), &json!("no such file"))
    );
}

#[tokio::test]
async fn each_time_that_it_ends_has_a_result() {
    let api = Api::new().await;
    let id = ended(&api).await;
    let batch: BatchId = id.parse().unwrap();
    let retried = api.act(&id, "retry", json!({"indices": [0, 1, 4, 77]})).await;
    assert_eq!(
        retried["items"], 2,
        "failed ones only, where nothing else is said: {retried}"
    );
    let claims = api.dispatch(batch).await;
    assert_eq!(
        claims[0]
            .items
            .iter()
            .map(|item| (item.index, item.attempt))
            .collect::<Vec<_>>(),
        [(0, 2), (1, 2)]
    );
    api.report(batch, 0, 2, done()).await;
    api.report(batch, 1, 2, failed("took over 9 s")).await;
    let path = format!("/v1/batches/{id}/result");
    let latest = api.get(&path).await.json;
    let first = api.get(&format!("{path}?revision=1")).await.json;
    assert_eq!((&latest["revision"], &first["revision"]), (&json!(2), &json!(1)));
    assert_eq!(latest["result_summary"]["succeeded"], 2);
    assert_eq!(first["result_summary"]["succeeded"], 1);
    let missing = api.get(&format!("{path}?revision=3")).await;
    assert!(missing.problem(404, "no-result-yet").contains("2 results"));
    assert_eq!(api.get(&format!("/v1/batches/{id}")).await.json["revision"], 2);
}

#[tokio::test]
async fn items_of_any_end_run_again_where_that_is_said() {
    let api = Api::new().await;
    let id = ended(&api).await;
    let retried = api
        .act(
            &id,
            "retry",
            json!({"states": ["succeeded", "failed"], "dry_run": true}),
        )
        .await;
    assert_eq!(retried["items"], 5);
    for (body, part) in [
        (
            json!({"states": ["pending"]}),
            "`failed`, `cancelled` and `succeeded`",
        ),
        (
            json!({"states": ["done"]}),
            "`failed`, `cancelled` and `succeeded`",
        ),
        (json!({"indices": [-1]}), "whole numbers"),
        (json!({"dry_run": "yes"}), "true or false"),
    ] {
        let refused = api.ask("POST", &format!("/v1/batches/{id}/retry"), body).await;
        assert!(
            refused.problem(400, "invalid-field").contains(part),
            "{}",
            refused.text
        );
    }
    let retried = api.act(&id, "retry", Value::Null).await;
    assert_eq!(retried["items"], 4);
}

#[tokio::test]
async fn an_item_tells_what_it_went_through() {
    let api = Api::new().await;
    let id = api
        .create(json!({"max_attempts": 3, "backoff": {"initial": 0, "max": 0}}), 1)
        .await;
    let batch: BatchId = id.parse().unwrap();
    for attempt in 1..=2 {
        api.dispatch(batch).await;
        let error = ItemError::new(ItemErrorKind::Timeout, format!("attempt {attempt} took long"));
        api.report(
            batch,
            0,
            attempt,
            Verdict::Retry {
                error,
                after_ms: None,
            },
        )
        .await;
    }
    let item = api.get(&format!("/v1/batches/{id}/items/0")).await.json;
    assert_eq!(
        (&item["state"], &item["attempts"], &item["last_attempt"]),
        (&json!("retrying"), &json!(2), &json!(3)),
        "{item}"
    );
    let history = item["history"].as_array().unwrap();
    assert_eq!(history.len(), 2);
    assert_eq!(
        history[1]["error"],
        json!({"kind": "timeout", "message": "attempt 2 took long"})
    );
    assert_eq!(
        (&history[0]["attempt"], &history[0]["worker"]),
        (&json!(1), &json!("w-1"))
    );
    assert_eq!(history[0]["duration_ms"], 1.5);
}

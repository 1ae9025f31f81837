//! Batches that stay open: items come bit by bit.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::body::Body;
use axum::http::Request;
use axum::http::header::CONTENT_TYPE;
use flotilla_core::Space;
use flotilla_core::ports::Store;
use flotilla_core::ports::store::Appending;
use serde_json::{Value, json};

use crate::harness::{Answer, Api, CSV, JSON, Lossy, NDJSON, config};

async fn append(api: &Api, id: &str, query: &str, content_type: &str, body: &str) -> Answer {
    let request = Request::post(format!("/v1/batches/{id}/items{query}")).header(CONTENT_TYPE, content_type);
    api.send(request.body(Body::from(body.to_owned())).unwrap()).await
}

async fn inputs(api: &Api, id: &str) -> Vec<Value> {
    let page = api.get(&format!("/v1/batches/{id}/items")).await.json;
    let items = page["items"].as_array().unwrap();
    items.iter().map(|item| item["input"].clone()).collect()
}

#[tokio::test]
async fn items_come_bit_by_bit_until_it_is_sealed() {
    let api = Api::new().await;
    let id = api
        .create(json!({"start": "open", "name": "n", "priority": 3}), 1)
        .await;
    let batch = api.get(&format!("/v1/batches/{id}")).await.json;
    assert_eq!(
        (&batch["state"], &batch["name"], &batch["counts"]["total"]),
        (&json!("open"), &json!("n"), &json!(1))
    );
    let listed = api.get("/v1/batches?state=open").await.json;
    assert_eq!(listed["batches"][0]["id"], json!(id));
    assert!(
        api.dispatch(id.parse().unwrap()).await.is_empty(),
        "nothing starts"
    );

    let appended = append(&api, &id, "", NDJSON, "1\n2\n3\n4\n").await;
    assert_eq!(
        (appended.status, &appended.json),
        (
            200,
            &json!({"appended": 4, "deduplicated": 0, "skipped": 0, "total": 5})
        ),
        "{}",
        appended.text
    );
    let appended = append(&api, &id, "?first=5", CSV, "a\nx\ny\n").await;
    assert_eq!(
        appended.json,
        json!({"appended": 2, "deduplicated": 0, "skipped": 0, "total": 7}),
        "{}",
        appended.text
    );
    let appended = append(&api, &id, "", JSON, r#"{"items": [true]}"#).await;
    assert_eq!(
        appended.json,
        json!({"appended": 1, "deduplicated": 0, "skipped": 0, "total": 8}),
        "{}",
        appended.text
    );
    let appended = append(&api, &id, "", NDJSON, "").await;
    assert_eq!(
        appended.json,
        json!({"appended": 0, "deduplicated": 0, "skipped": 0, "total": 8}),
        "{}",
        appended.text
    );

    for _ in 0..2 {
        let sealed = api.act(&id, "seal", Value::Null).await;
        assert_eq!(
            (&sealed["state"], &sealed["counts"]["total"]),
            (&json!("pending"), &json!(8))
        );
    }
    assert_eq!(
        inputs(&api, &id).await,
        [
            json!(0),
            json!(1),
            json!(2),
            json!(3),
            json!(4),
            json!({"a": "x"}),
            json!({"a": "y"}),
            json!(true)
        ]
    );
    let late = append(&api, &id, "", NDJSON, "9\n").await;
    assert!(late.problem(409, "conflict").contains("pending"));
    assert_eq!(late.json["state"], "pending");
}

#[tokio::test]
async fn all_of_an_append_or_nothing() {
    let api = Api::new().await;
    let id = api.create(json!({"start": "open"}), 1).await;
    for (content_type, body, slug) in [
        (NDJSON, "1\n2\n3\n4\n5\nx\n", "invalid-json"),
        (JSON, r#"{"items": [1, 2, 3, 4"#, "truncated-body"),
        (JSON, r#"{"items": [1, 2, 3], "name": "x"}"#, "unknown-field"),
        (JSON, "{}", "missing-field"),
        (CSV, "a,b\n1,2\n3,4\n5,6\n7\n", "invalid-csv"),
    ] {
        let refused = append(&api, &id, "", content_type, body).await;
        refused.problem(400, slug);
        assert_eq!(api.rows(), (1, 1), "after {}", refused.text);
    }
    let refused = append(&api, &id, "", NDJSON, &"1\n".repeat(100)).await;
    assert!(
        refused.problem(413, "too-many-items").contains("has 1 already"),
        "{}",
        refused.text
    );
    append(&api, &id, "?job_type=echo", NDJSON, "1\n")
        .await
        .problem(400, "invalid-parameter");
    append(&api, &id, "", "text/plain", "1\n")
        .await
        .problem(415, "unsupported-media-type");
    append(&api, "none", "", NDJSON, "1\n")
        .await
        .problem(404, "unknown-batch");
    assert_eq!(
        append(&api, &id, "", NDJSON, "7\n").await.status,
        200,
        "and the next one is free to come"
    );
    assert_eq!(inputs(&api, &id).await, [json!(0), json!(7)]);
}

#[tokio::test]
async fn a_repeated_append_is_known_by_its_place() {
    let api = Api::new().await;
    let id = api.create(json!({"start": "open"}), 0).await;
    assert_eq!(append(&api, &id, "?first=0", NDJSON, "1\n2\n").await.status, 200);
    let again = append(&api, &id, "?first=0", NDJSON, "1\n2\n").await;
    assert!(again.problem(409, "conflict").contains("has 2 items, not 0"));
    assert_eq!(again.json["total"], 2);
    assert_eq!(inputs(&api, &id).await, [json!(1), json!(2)]);
}

#[tokio::test]
async fn one_append_at_a_time() {
    let api = Api::new().await;
    let id = api.create(json!({"start": "open"}), 1).await;
    let (store, batch) = (&api.deps.store, id.parse().unwrap());
    let space = Space::default();
    let begin = || store.begin_append(&space, batch, Duration::from_secs(60), api.deps.clock.now());
    assert_eq!(begin().await.unwrap(), Appending::Ready { first: 1, skipped: 0 });
    let busy = append(&api, &id, "", NDJSON, "1\n").await;
    busy.problem(409, "append-in-progress");
    assert!(busy.header("retry-after").is_some());
    store
        .end_append(batch, 1, true, api.deps.clock.now())
        .await
        .unwrap();
    assert_eq!(append(&api, &id, "", NDJSON, "1\n").await.status, 200);
}

#[tokio::test]
async fn an_open_batch_is_replayed_and_an_upload_is_not() {
    let api = Api::new().await;
    let create = || {
        let request = Request::post("/v1/batches?job_type=echo&start=open")
            .header(CONTENT_TYPE, NDJSON)
            .header("idempotency-key", "k");
        api.send(request.body(Body::from("1\n")).unwrap())
    };
    let first = create().await;
    assert_eq!((first.status, &first.json["state"]), (202, &json!("open")));
    let second = create().await;
    assert_eq!(
        (second.status, &second.json["id"]),
        (202, &first.json["id"]),
        "{}",
        second.text
    );
    assert_eq!(second.header("idempotency-replayed"), Some("true"));
    assert_eq!(api.rows(), (1, 1));
}

#[tokio::test]
async fn lost_answers_double_nothing() {
    let mut lossy = None;
    let api = Api::over(config(), |store| {
        let wrapped = Arc::new(Lossy::new(store));
        lossy = Some(Arc::clone(&wrapped));
        wrapped as Arc<dyn Store>
    })
    .await;
    let lossy = lossy.unwrap();
    lossy.keeps.store(1, Ordering::SeqCst);
    let id = api.create(json!({"start": "open"}), 1).await;
    lossy.appends.store(1, Ordering::SeqCst);
    lossy.ends.store(1, Ordering::SeqCst);
    let appended = append(&api, &id, "", NDJSON, "1\n2\n3\n").await;
    assert_eq!(
        appended.json,
        json!({"appended": 3, "deduplicated": 0, "skipped": 0, "total": 4}),
        "{}",
        appended.text
    );
    lossy.appends.store(1, Ordering::SeqCst);
    let produced = append(&api, &id, "?producer=a", NDJSON, "1\n2\n3\n").await;
    assert_eq!(
        produced.json,
        json!({"appended": 3, "deduplicated": 0, "skipped": 0, "total": 7, "offset": 3}),
        "{}",
        produced.text
    );
    lossy.commands.store(1, Ordering::SeqCst);
    assert_eq!(api.act(&id, "seal", Value::Null).await["state"], "pending");
    assert_eq!(api.rows(), (1, 7));
}

#[tokio::test]
async fn an_empty_batch_is_complete_when_it_is_sealed() {
    let api = Api::new().await;
    let id = api.create(json!({"start": "open"}), 0).await;
    assert_eq!(api.act(&id, "seal", Value::Null).await["state"], "completed");
    assert_eq!(api.get(&format!("/v1/batches/{id}/result")).await.status, 200);
}

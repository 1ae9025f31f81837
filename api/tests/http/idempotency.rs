//! The same key is the same batch.

use axum::body::Body;
use axum::http::Request;
use flotilla_core::Space;
use flotilla_core::ports::store::{NewBatch, Opened};
use jiff::SignedDuration;

use crate::harness::{Answer, Api, Client, JSON, NDJSON, Served};

async fn post(api: &Api, query: &str, content_type: &str, key: &str, body: &'static str) -> Answer {
    let request = Request::post(format!("/v1/batches{query}"))
        .header("content-type", content_type)
        .header("idempotency-key", key);
    api.send(request.body(Body::from(body)).unwrap()).await
}

#[tokio::test]
async fn a_repeated_upload_is_the_same_batch() {
    let api = Api::new().await;
    let first = post(&api, "?job_type=echo", NDJSON, "k", "1\n2\n3\n").await;
    assert_eq!((first.status, first.header("idempotency-replayed")), (202, None));
    for _ in 0..2 {
        let again = post(&api, "?job_type=echo", NDJSON, "k", "1\n2\n3\n").await;
        assert_eq!(again.status, 202, "{}", again.text);
        assert_eq!(again.header("idempotency-replayed"), Some("true"));
        assert_eq!(again.header("location"), first.header("location"));
        assert_eq!(again.json["counts"]["total"], 3);
    }
    assert_eq!(api.rows(), (1, 3));
    let other_key = post(&api, "?job_type=echo", NDJSON, "k2", "1\n").await;
    let other_space = post(&api, "?job_type=echo&space=b", NDJSON, "k", "1\n").await;
    assert_ne!(other_key.header("location"), first.header("location"));
    assert_ne!(other_space.header("location"), first.header("location"));
    assert_eq!(api.rows(), (3, 5));
}

#[tokio::test]
async fn another_request_needs_another_key() {
    let api = Api::new().await;
    let json = r#"{"job_type": "echo", "items": [1, 2, 3]}"#;
    let first = post(&api, "?job_type=echo", NDJSON, "k", "1\n2\n3\n").await;
    let other = post(&api, "", JSON, "j", json).await;
    assert_eq!((first.status, other.status), (202, 202));
    for (query, content_type, key, body) in [
        ("?job_type=echo", NDJSON, "k", "1\n2\n4\n"),
        ("?job_type=echo", NDJSON, "k", "1\n2\n"),
        ("?job_type=echo", NDJSON, "k", "1\n2\n3\n4\n5\n6\n7\n"),
        ("?job_type=echo", NDJSON, "k", "1\n2\n3\n4\nrubbish"),
        ("?job_type=sleep", NDJSON, "k", "1\n2\n3\n"),
        ("?job_type=echo&priority=3", NDJSON, "k", "1\n2\n3\n"),
        ("", JSON, "k", json),
        ("?space=default", JSON, "j", "rubbish"),
        ("", JSON, "j", r#"{"job_type": "sleep", "items": [1, 2, 3]}"#),
    ] {
        let refused = post(&api, query, content_type, key, body).await;
        refused.problem(422, "idempotency-key-reused");
        let found = if key == "k" { &first } else { &other };
        assert_eq!(refused.json["batch_id"], found.json["id"]);
    }
    let again = post(&api, "", JSON, "j", json).await;
    assert_eq!(
        again.header("idempotency-replayed"),
        Some("true"),
        "{}",
        again.text
    );
    assert_eq!(api.rows(), (2, 6));
}

#[tokio::test]
async fn a_refused_upload_leaves_its_key_free() {
    let api = Api::new().await;
    post(&api, "?job_type=echo", NDJSON, "k", "1\n2\n3\nrubbish")
        .await
        .problem(400, "invalid-json");
    let again = post(&api, "?job_type=echo", NDJSON, "k", "1\n2\n").await;
    assert_eq!((again.status, again.header("idempotency-replayed")), (202, None));
    assert_eq!(api.rows(), (1, 2));
}

#[tokio::test]
async fn two_uploads_with_one_key_at_a_time() {
    let api = Api::new().await;
    let served = Served::start(&api).await;
    let mut first = Client::upload(
        &served,
        "idempotency-key: k\r\ntransfer-encoding: chunked\r\nconnection: close\r\n",
    )
    .await;
    first.chunk("1\n2\n3\n").await;
    api.until_rows(|rows| rows == (1, 2)).await;
    let second = post(&api, "?job_type=echo", NDJSON, "k", "1\n2\n3\n").await;
    second.problem(409, "upload-in-progress");
    assert!(second.header("retry-after").is_some());
    first.chunk("").await;
    assert!(first.rest().await.starts_with("HTTP/1.1 202"));
    let third = post(&api, "?job_type=echo", NDJSON, "k", "1\n2\n3\n").await;
    assert_eq!(
        (third.status, third.header("idempotency-replayed")),
        (202, Some("true"))
    );
    assert_eq!(api.rows(), (1, 3));
}

/// The process that received it was killed: whoever comes again need not wait until a scheduler has tidied up.
#[tokio::test]
async fn an_upload_that_nobody_goes_on_with_is_in_nobodys_way() {
    let api = Api::new().await;
    let silent_for = |seconds| NewBatch {
        id: api.deps.ids.batch(),
        space: Space::default(),
        idempotency_key: Some(format!("silent-for-{seconds}")),
        created_at: api.deps.clock.now() - SignedDuration::from_secs(seconds),
    };
    for (seconds, status) in [(20, 409), (60, 202)] {
        let left = silent_for(seconds);
        let key = left.idempotency_key.clone().unwrap();
        assert_eq!(api.deps.store.open_batch(left).await.unwrap(), Opened::New);
        let again = post(&api, "?job_type=echo", NDJSON, &key, "1\n2\n").await;
        assert_eq!(
            (again.status, again.header("idempotency-replayed")),
            (status, None)
        );
    }
    assert_eq!(api.rows(), (2, 2));
}

//! Producers: what they appended stays, and they go on behind it.

use axum::body::Body;
use axum::http::Request;
use serde_json::{Value, json};

use crate::harness::{Answer, Api, CSV, Client, NDJSON, Served};

async fn open(api: &Api) -> String {
    let answer = api.post("?job_type=echo&start=open", NDJSON, "").await;
    answer.json["id"].as_str().unwrap().to_owned()
}

async fn append(api: &Api, id: &str, query: &str, body: &str) -> Answer {
    api.post(&format!("/{id}/items?{query}"), NDJSON, body.to_owned())
        .await
}

async fn inputs(api: &Api, id: &str) -> Vec<Value> {
    let items = api.get(&format!("/v1/batches/{id}/items?limit=1000")).await;
    let items = items.json["items"].as_array().unwrap().clone();
    items.into_iter().map(|item| item["input"].clone()).collect()
}

fn answered(appended: u32, deduplicated: u32, total: u32, offset: u32) -> Value {
    json!({
        "appended": appended, "deduplicated": deduplicated, "skipped": 0, "total": total, "offset": offset,
    })
}

#[tokio::test]
async fn what_is_sent_again_is_stored_once() {
    let api = Api::new().await;
    let id = open(&api).await;
    let first = append(&api, &id, "producer=a", "1\n2\n3\n").await;
    assert_eq!(first.json, answered(3, 0, 3, 3), "{}", first.text);
    // Again, from the beginning, with more behind it; then from where it was.
    let again = append(&api, &id, "producer=a", "1\n2\n3\n4\n5\n").await;
    assert_eq!(again.json, answered(2, 3, 5, 5));
    let rest = append(&api, &id, "producer=a&offset=5", "6\n").await;
    assert_eq!(rest.json, answered(1, 0, 6, 6));
    let overlap = append(&api, &id, "producer=a&offset=4", "5\n6\n7\n").await;
    assert_eq!(overlap.json, answered(1, 2, 7, 7));
    let nothing = append(&api, &id, "producer=a&offset=2", "3\n").await;
    assert_eq!(nothing.json, answered(0, 1, 7, 7));
    let other = append(&api, &id, "producer=b", "1\n").await;
    assert_eq!(other.json, answered(1, 0, 8, 1));
    assert_eq!(inputs(&api, &id).await, [1, 2, 3, 4, 5, 6, 7, 1]);
    let position = api.get(&format!("/v1/batches/{id}/producers/a")).await;
    assert_eq!(position.json, json!({"producer": "a", "offset": 7}));
    let unknown = api.get(&format!("/v1/batches/{id}/producers/c")).await;
    assert_eq!(unknown.json["offset"], 0);
    api.get(&format!("/v1/batches/{id}/producers/a?space=other"))
        .await
        .problem(404, "unknown-batch");
}

#[tokio::test]
async fn a_gap_is_refused() {
    let api = Api::new().await;
    let id = open(&api).await;
    append(&api, &id, "producer=a", "1\n2\n").await;
    let answer = append(&api, &id, "producer=a&offset=3", "4\n").await;
    answer.problem(409, "conflict");
    assert_eq!(answer.json["offset"], 2);
    for query in ["producer=a&first=2", "offset=3", "producer=%20", "producer="] {
        append(&api, &id, query, "1\n")
            .await
            .problem(400, "invalid-parameter");
    }
    assert_eq!(inputs(&api, &id).await, [1, 2]);
}

#[tokio::test]
async fn a_mistake_keeps_what_came_before_it() {
    let api = Api::new().await;
    let id = open(&api).await;
    // Two chunks are complete before the one with the mistake.
    let answer = append(&api, &id, "producer=a", "1\n2\n3\n4\n5\nrubbish\n7\n").await;
    answer.problem(400, "invalid-json");
    let offset = answer.json["offset"].as_u64().unwrap();
    assert_eq!(inputs(&api, &id).await, [1, 2, 3, 4, 5][..offset as usize]);
    let answer = append(&api, &id, "producer=a", "1\n2\n3\n4\n5\n6\n7\n").await;
    assert_eq!(answer.json["offset"], 7);
    assert_eq!(inputs(&api, &id).await, [1, 2, 3, 4, 5, 6, 7]);
}

#[tokio::test]
async fn places_count_what_is_skipped() {
    let api = Api::new().await;
    let id = open(&api).await;
    let body = "1\nx\n3\ny\n5\n";
    let answer = append(&api, &id, "producer=a&on_invalid=skip", body).await;
    assert_eq!(
        (
            &answer.json["appended"],
            &answer.json["skipped"],
            &answer.json["offset"]
        ),
        (&json!(3), &json!(2), &json!(5))
    );
    let again = append(&api, &id, "producer=a&on_invalid=skip", &format!("{body}6\n")).await;
    assert_eq!(
        (
            &again.json["appended"],
            &again.json["skipped"],
            &again.json["deduplicated"]
        ),
        (&json!(1), &json!(0), &json!(5))
    );
    assert_eq!(inputs(&api, &id).await, [1, 3, 5, 6]);
    let skipped = api.get(&format!("/v1/batches/{id}/skipped")).await;
    assert_eq!(skipped.text.lines().count(), 2);
}

#[tokio::test]
async fn tables_have_their_names_each_time() {
    let api = Api::new().await;
    let id = open(&api).await;
    for body in ["n\n1\n2\n", "n\n1\n2\n3\n"] {
        let path = format!("/{id}/items?producer=a");
        assert_eq!(api.post(&path, CSV, body).await.status, 200);
    }
    assert_eq!(
        inputs(&api, &id).await,
        [json!({"n": "1"}), json!({"n": "2"}), json!({"n": "3"})]
    );
}

#[tokio::test]
async fn names_are_unique_among_producers() {
    let api = Api::new().await;
    let id = open(&api).await;
    append(&api, &id, "producer=a", "{\"custom_id\": \"x\"}\n").await;
    let body = "{\"custom_id\": \"y\"}\n{\"custom_id\": \"x\"}\n";
    let answer = append(&api, &id, "producer=b", body).await;
    answer.problem(400, "invalid-item");
    assert_eq!(
        (&answer.json["item"], &answer.json["offset"]),
        (&json!(1), &json!(0))
    );
    let answer = append(&api, &id, "producer=b&on_invalid=skip", body).await;
    assert_eq!(
        (&answer.json["appended"], &answer.json["skipped"]),
        (&json!(1), &json!(1))
    );
}

/// The connection breaks in the middle: what is stored stays, and another request goes on at the same time as others.
#[tokio::test]
async fn a_broken_connection_is_gone_on_from() {
    let api = Api::new().await;
    let served = Served::start(&api).await;
    let id = open(&api).await;
    let path = format!("/v1/batches/{id}/items?producer=a");
    let mut broken = Client::post(&served, &path, "transfer-encoding: chunked\r\n").await;
    broken.chunk("1\n2\n3\n4\n5\n").await;
    api.until_rows(|(_, items)| items >= 4).await;
    let other = append(&api, &id, "producer=b", "10\n11\n12\n").await;
    assert_eq!(other.status, 200, "{}", other.text);
    drop(broken);
    let again = append(&api, &id, "producer=a", "1\n2\n3\n4\n5\n6\n").await;
    assert_eq!(again.json["offset"], 6, "{}", again.text);
    let mut all = inputs(&api, &id).await;
    all.sort_by_key(Value::as_u64);
    assert_eq!(all, [1, 2, 3, 4, 5, 6, 10, 11, 12]);
    let sealed = api
        .ask("POST", &format!("/v1/batches/{id}/seal"), Value::Null)
        .await;
    assert_eq!(sealed.json["counts"]["total"], 9);
    let late = append(&api, &id, "producer=a", "1\n").await;
    late.problem(409, "conflict");
}

/// A packed body is one like any other.
#[tokio::test]
async fn a_dry_run_counts_with_what_is_there() {
    let api = Api::new().await;
    let id = open(&api).await;
    let request = Request::post(format!("/v1/batches/{id}/items?dry_run=true"))
        .header("content-type", NDJSON)
        .body(Body::from("1\n2\n"))
        .unwrap();
    let answer = api.send(request).await;
    assert_eq!((answer.status, &answer.json["items"]), (200, &json!(2)));
    assert_eq!(inputs(&api, &id).await.len(), 0);
}

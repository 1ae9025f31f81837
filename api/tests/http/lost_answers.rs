//! The store is away, or does what it is asked and its answer gets lost.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use flotilla_core::ports::Store;

use crate::harness::{Api, Lossy, NDJSON, config};

async fn lossy() -> (Api, Arc<Lossy>) {
    let mut lossy = None;
    let api = Api::over(config(), |store| {
        let wrapped = Arc::new(Lossy::new(store));
        lossy = Some(Arc::clone(&wrapped));
        wrapped as Arc<dyn Store>
    })
    .await;
    (api, lossy.unwrap())
}

#[tokio::test]
async fn items_and_seals_are_not_doubled() {
    let (api, lossy) = lossy().await;
    lossy.appends.store(2, Ordering::SeqCst);
    lossy.seals.store(1, Ordering::SeqCst);
    let id = api.batch_of("default", "1\n2\n3\n4\n5\n").await;
    assert_eq!(api.rows(), (1, 5));
    let page = api.get(&format!("/v1/batches/{id}/items")).await;
    let inputs: Vec<u64> = page.json["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|i| i["input"].as_u64().unwrap())
        .collect();
    assert_eq!(inputs, [1, 2, 3, 4, 5]);
}

#[tokio::test]
async fn a_batch_that_came_in_one_piece_is_not_doubled() {
    let (api, lossy) = lossy().await;
    lossy.creates.store(2, Ordering::SeqCst);
    let id = api.batch_of("default", "1\n").await;
    assert_eq!(api.rows(), (1, 1));
    assert_eq!(api.get(&format!("/v1/batches/{id}")).await.status, 200);

    lossy.creates.store(u32::MAX, Ordering::SeqCst);
    let answer = api.post("?job_type=echo", NDJSON, "1\n").await;
    answer.problem(503, "unavailable");
    assert_eq!(api.rows(), (2, 2), "what may be running is never removed");
}

#[tokio::test]
async fn a_batch_that_may_have_been_opened_is_removed() {
    let (api, lossy) = lossy().await;
    lossy.opens.store(1, Ordering::SeqCst);
    let answer = api.post("?job_type=echo", NDJSON, "1\n2\n3\n").await;
    answer.problem(503, "unavailable");
    assert!(answer.header("retry-after").is_some());
    api.until_rows(|rows| rows == (0, 0)).await;
}

#[tokio::test]
async fn a_store_that_stays_away_ends_the_upload() {
    let (api, lossy) = lossy().await;
    lossy.seals.store(u32::MAX, Ordering::SeqCst);
    // Sealed the first time, and every answer lost: the client is told that it is not known.
    let answer = api.post("?job_type=echo", NDJSON, "1\n2\n3\n").await;
    answer.problem(503, "unavailable");
    // A sealed batch is never removed: its items may be running.
    assert_eq!(api.rows(), (1, 3));
}

#[tokio::test]
async fn a_store_that_is_away_is_no_fault_of_the_client() {
    let (api, lossy) = lossy().await;
    let id = api.batch_of("default", "1\n").await;
    lossy.away.store(true, Ordering::SeqCst);
    let answer = api.get(&format!("/v1/batches/{id}")).await;
    answer.problem(503, "unavailable");
    assert!(answer.header("retry-after").is_some());
    assert!(!answer.text.contains("secret"));
    let ready = api.get("/readyz").await;
    assert_eq!(
        (ready.status, ready.json["status"].as_str()),
        (503, Some("unavailable"))
    );
    assert_eq!(api.get("/healthz").await.status, 200);
    lossy.away.store(false, Ordering::SeqCst);
    assert_eq!(api.get(&format!("/v1/batches/{id}")).await.status, 200);
}

#[tokio::test]
async fn a_panic_is_a_problem_too() {
    let (api, lossy) = lossy().await;
    let id = api.batch_of("default", "1\n").await;
    lossy.panics.store(true, Ordering::SeqCst);
    let answer = api.get(&format!("/v1/batches/{id}")).await;
    answer.problem(500, "internal");
    assert!(!answer.text.contains("on purpose"));
}

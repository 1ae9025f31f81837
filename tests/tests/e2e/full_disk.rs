//! A disk that is full for a while, under a process that keeps everything in a folder. Files that must not grow are the
//! nearest to that which one process can have to itself.

use std::time::Duration;

use flotilla_tests::{Flotilla, eventually, free_port, http_client};
use reqwest::{Response, StatusCode};
use serde_json::{Value, json};

use crate::client::Client;
use crate::fleet::{ready, up};

const PATIENCE: Duration = Duration::from_secs(120);
/// How long files may become.
const ROOM: u64 = 8 << 20;
/// More than fits, into the database and its log.
const ITEMS: u32 = 60_000;
/// The longest that a client may wait to hear that there is no room.
const SOON: Duration = Duration::from_secs(30);

async fn upload(client: &Client) -> Response {
    let pad = "x".repeat(400);
    let items: String = (0..ITEMS)
        .map(|n| format!("{{\"n\":{n},\"pad\":\"{pad}\"}}\n"))
        .collect();
    let request = http_client()
        .post(format!("{}/v1/batches?job_type=echo", client.server))
        .header("content-type", "application/x-ndjson")
        .body(items);
    let answer = tokio::time::timeout(SOON, request.send()).await;
    answer.expect("an answer in time").expect("the API answers")
}

/// What does not fit is refused as a whole, what runs is counted when there is room again, and reading goes on meanwhile.
#[tokio::test]
async fn a_full_disk_takes_nothing_by_halves_and_passes() {
    let folder = tempfile::tempdir().unwrap();
    let listen = format!("127.0.0.1:{}", free_port());
    let process = Flotilla::command(["up", "--listen", &listen, "--data", "data"])
        .ignoring_file_limits()
        .start(folder.path());
    let client = Client::new(format!("http://{listen}"));
    ready(&client).await;
    let items = (0..600).map(|n| json!({"ms": 50, "n": n})).collect();
    let running = client.create(json!({"job_type": "sleep"}), items).await;

    process.limit_files(Some(ROOM));
    let refused = upload(&client).await;
    assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(refused.headers().contains_key("retry-after"));
    let problem: Value = refused.json().await.unwrap();
    assert!(
        problem["detail"].as_str().unwrap().contains("no room"),
        "{problem}"
    );
    let listed = client.json("/v1/batches").await;
    assert_eq!(listed["batches"].as_array().unwrap().len(), 1, "{listed}");
    assert_eq!(client.get("/readyz").await.status(), 200);
    assert!(process.log().contains("the disk"), "the log says why");

    process.limit_files(None);
    let result = client.result(&running, PATIENCE).await;
    assert_eq!(result["result_summary"]["succeeded"], 600, "{result}");
    let accepted = upload(&client).await;
    assert_eq!(accepted.status(), StatusCode::ACCEPTED);
    let batch: Value = accepted.json().await.unwrap();
    let result = client.result(batch["id"].as_str().unwrap(), PATIENCE).await;
    assert_eq!(result["result_summary"]["succeeded"], ITEMS, "{result}");
}

/// Long outputs wait until they can be put away; others do not wait for them.
#[tokio::test]
async fn outputs_wait_for_object_storage() {
    let folder = tempfile::tempdir().unwrap();
    let (client, process) = up(folder.path(), "", &[]).await;
    // Where the folder of outputs is to be.
    let obstacle = folder.path().join("data/objects/outputs");
    std::fs::write(&obstacle, "in the way").unwrap();
    let long = client
        .create(json!({"job_type": "echo"}), vec![json!("x".repeat(50_000))])
        .await;
    let short = client.create(json!({"job_type": "echo"}), vec![json!(1)]).await;
    client.result(&short, PATIENCE).await;
    eventually("an attempt to store the output", PATIENCE, || async {
        process.log().contains("object storage").then_some(())
    })
    .await;
    assert_eq!(client.batch(&long).await["counts"]["succeeded"], 0);

    std::fs::remove_file(&obstacle).unwrap();
    let result = client.result(&long, PATIENCE).await;
    assert_eq!(result["result_summary"]["succeeded"], 1, "{result}");
    let item = client.items(&long).await.remove(0);
    assert_eq!(item["output"], item["input"]);
}

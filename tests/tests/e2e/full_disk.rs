//! A disk that is full for a while: under a process that keeps everything in a folder, and under PostgreSQL. Files that must
//! not grow are the nearest to that which one process can have to itself.

use std::time::Duration;

use flotilla_tests::servers::{Folder, Postgres, Server};
use flotilla_tests::{Flotilla, Sandbox, eventually, free_port, http_client};
use reqwest::{Response, StatusCode};
use serde_json::{Value, json};

use crate::client::Client;
use crate::fleet::{Fleet, Size, ready, up};

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

/// PostgreSQL's log is in files of 16 MiB, which must not fail. What ends within a page is an extension that was cut short.
const ROOM_OF_POSTGRES: u64 = (16 << 20) + 4_096;

/// Outcomes that PostgreSQL has no room for stay reports, and uploads are refused, until there is room.
#[tokio::test]
async fn a_full_disk_of_postgresql_pauses_and_passes() {
    let servers = Folder::create().unwrap();
    let mut postgres = Server::<Postgres>::launch(&servers).await.unwrap();
    let sandbox = Sandbox::new().await;
    let size = Size {
        apis: 1,
        workers: 1,
        schedulers: 1,
    };
    let store = ("FLOTILLA_STORE_URL", postgres.url());
    let fleet = Fleet::start(&sandbox, size, "", &[store]).await;
    let (client, scheduler) = (fleet.client(), &fleet.schedulers[0]);
    // More than there is room for, twice: as inputs, and as outputs.
    let accepted = upload(client).await;
    assert_eq!(accepted.status(), StatusCode::ACCEPTED);
    let batch: Value = accepted.json().await.unwrap();
    let batch = batch["id"].as_str().unwrap();

    // Limits of another user's process can't be changed while it runs.
    postgres.stop().await.unwrap();
    postgres.engine_mut().limit_files(Some(ROOM_OF_POSTGRES));
    postgres.start().await.unwrap();
    eventually("outcomes to wait", PATIENCE, || async {
        let said = "outcomes wait for the store";
        let log = scheduler.log();
        let mut waits = log.lines().filter(|line| line.contains(said));
        waits
            .any(|line| line.contains("the server's disk is full"))
            .then_some(())
    })
    .await;
    let refused = upload(client).await;
    assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(refused.headers().contains_key("retry-after"));
    let counts = client.batch(batch).await["counts"].clone();
    let succeeded = counts["succeeded"].as_u64().unwrap();
    assert!(0 < succeeded && succeeded < u64::from(ITEMS), "{counts}");

    postgres.stop().await.unwrap();
    postgres.engine_mut().limit_files(None);
    postgres.start().await.unwrap();
    let result = client.result(batch, PATIENCE).await;
    assert_eq!(result["result_summary"]["succeeded"], ITEMS, "{result}");
    assert_eq!(result["result_summary"]["attempts"], ITEMS, "{result}");
    let listed = client.json("/v1/batches").await;
    assert_eq!(listed["batches"].as_array().unwrap().len(), 1, "{listed}");
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

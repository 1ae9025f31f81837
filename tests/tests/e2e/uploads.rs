//! Uploads: constant memory, all or nothing.

use std::time::Duration;

use bytes::Bytes;
use flotilla_tests::{Sandbox, eventually};
use futures_util::stream;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::fleet::{Fleet, Size, up};

const PATIENCE: Duration = Duration::from_secs(240);

/// 200,000 items of 400 bytes, 80 MB in one upload.
#[tokio::test]
async fn a_large_upload_takes_little_memory() {
    let sandbox = Sandbox::new().await;
    let fleet = Fleet::start(
        &sandbox,
        Size {
            apis: 1,
            workers: 2,
            schedulers: 1,
        },
        "",
        &[],
    )
    .await;
    let client = fleet.client();
    let padding = "x".repeat(380);
    let lines = (0..2_000).map(move |chunk| {
        let lines = (0..100).map(|line| format!("{{\"n\":{},\"pad\":\"{padding}\"}}\n", chunk * 100 + line));
        Ok::<_, std::io::Error>(Bytes::from(lines.collect::<String>()))
    });
    let body = reqwest::Body::wrap_stream(stream::iter(lines));
    let http = reqwest::Client::builder().timeout(PATIENCE).build().unwrap();
    let answer = http
        .post(format!("{}/v1/batches?job_type=echo", client.server))
        .header("content-type", "application/x-ndjson")
        .body(body)
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 202);
    let batch: serde_json::Value = answer.json().await.unwrap();
    let id = batch["id"].as_str().unwrap();
    assert_eq!(batch["counts"]["total"], 200_000);
    let result = client.result(id, PATIENCE).await;
    assert_eq!(result["result_summary"]["succeeded"], 200_000, "{result}");
    for (name, process) in [
        ("api", &fleet.apis[0].1),
        ("worker", &fleet.workers[0]),
        ("scheduler", &fleet.schedulers[0]),
    ] {
        let peak = process.rss_peak_bytes();
        println!("{name}: {} MB at most", peak / 1_000_000);
        assert!(peak < 150_000_000, "{name} used {peak} bytes");
    }
}

/// The client goes away in the middle of an upload.
#[tokio::test]
async fn a_cut_upload_leaves_nothing_behind() {
    let sandbox = Sandbox::new().await;
    let fleet = Fleet::start(
        &sandbox,
        Size {
            apis: 1,
            workers: 1,
            schedulers: 1,
        },
        "",
        &[],
    )
    .await;
    cut_upload(&fleet.client().server).await;
    eventually("the upload to be gone", PATIENCE, || async {
        let rows = sandbox
            .sql(
                "SELECT (SELECT count(*) FROM batches)::int4, (SELECT count(*) FROM batch_items)::int4",
                &[],
            )
            .await;
        ((rows[0].get::<_, i32>(0), rows[0].get::<_, i32>(1)) == (0, 0)).then_some(())
    })
    .await;
}

/// The API is killed in the middle of an upload; the next process removes what it left.
#[tokio::test]
async fn a_killed_upload_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let (client, mut process) = up(folder.path(), "", &[]).await;
    let mut upload = start_upload(&client.server).await;
    upload.write_all(&chunk(5_000)).await.unwrap();
    upload.flush().await.unwrap();
    process.kill();
    let (client, _process) = up(folder.path(), "", &[]).await;
    let listed = client.json("/v1/batches").await;
    assert_eq!(listed["batches"], serde_json::json!([]));
    // A batch after it is not disturbed.
    let batch = client.submit("echo", "{}\n".into()).await;
    client.result(&batch, PATIENCE).await;
}

/// Sends 5,000 items of an upload that promises more, waits until some are stored, and closes the connection.
async fn cut_upload(server: &str) {
    let mut upload = start_upload(server).await;
    upload.write_all(&chunk(5_000)).await.unwrap();
    upload.flush().await.unwrap();
    drop(upload);
}

async fn start_upload(server: &str) -> TcpStream {
    let address = server.strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(address).await.unwrap();
    let head = format!(
        "POST /v1/batches?job_type=echo HTTP/1.1\r\nhost: {address}\r\ncontent-type: application/x-ndjson\r\n\
         content-length: 100000000\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    stream
}

fn chunk(lines: u32) -> Vec<u8> {
    (0..lines)
        .flat_map(|n| format!("{{\"n\":{n}}}\n").into_bytes())
        .collect()
}

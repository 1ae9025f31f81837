//! Uploads that are packed.

use std::io::Write;

use axum::body::Body;
use axum::http::Request;
use flate2::Compression;
use flate2::write::GzEncoder;
use flotilla_api::Config;
use serde_json::Value;

use crate::harness::{Answer, Api, NDJSON, config};

fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

fn zstd(text: &str) -> Vec<u8> {
    zstd::encode_all(text.as_bytes(), 3).unwrap()
}

async fn upload(api: &Api, path: &str, encoding: &str, body: Vec<u8>) -> Answer {
    let request = Request::post(path)
        .header("content-type", NDJSON)
        .header("content-encoding", encoding);
    api.send(request.body(Body::from(body)).unwrap()).await
}

fn lines(count: u32) -> String {
    (0..count).map(|n| format!("{{\"n\": {n}}}\n")).collect()
}

const CREATE: &str = "/v1/batches?job_type=echo";

#[tokio::test]
async fn what_is_packed_is_stored_as_it_was() {
    let api = Api::new().await;
    for (encoding, body) in [("gzip", gzip(&lines(50))), ("zstd", zstd(&lines(50)))] {
        let answer = upload(&api, CREATE, encoding, body).await;
        assert_eq!(answer.status, 202, "{encoding}: {}", answer.text);
        let id = answer.json["id"].as_str().unwrap();
        let items = api.get(&format!("/v1/batches/{id}/items")).await.json;
        let inputs: Vec<&Value> = items["items"]
            .as_array()
            .unwrap()
            .iter()
            .map(|item| &item["input"]["n"])
            .collect();
        assert!(
            inputs.into_iter().eq((0..50).collect::<Vec<u32>>().iter()),
            "{items}"
        );
    }
}

#[tokio::test]
async fn appended_items_may_be_packed() {
    let api = Api::new().await;
    let id = api.create(serde_json::json!({"start": "open"}), 3).await;
    let path = format!("/v1/batches/{id}/items");
    let answer = upload(&api, &path, "gzip", gzip(&lines(7))).await;
    assert!(answer.status < 300, "{}", answer.text);
    assert_eq!(
        api.get(&format!("/v1/batches/{id}")).await.json["counts"]["total"],
        10
    );
}

#[tokio::test]
async fn a_part_is_refused_and_leaves_nothing() {
    let api = Api::new().await;
    for (encoding, mut body) in [("gzip", gzip(&lines(50))), ("zstd", zstd(&lines(50)))] {
        body.truncate(body.len() - 3);
        let answer = upload(&api, CREATE, encoding, body).await;
        let problem = answer.problem(400, "damaged-body");
        assert!(problem.contains(encoding), "{problem}");
        let answer = upload(&api, CREATE, encoding, lines(5).into_bytes()).await;
        answer.problem(400, "damaged-body");
    }
    api.until_rows(|rows| rows == (0, 0)).await;
}

#[tokio::test]
async fn limits_hold_for_what_comes_out() {
    let api = Api::with(Config {
        max_upload_bytes: Some(400),
        ..config()
    })
    .await;
    let (fits, long) = (gzip(&lines(30)), gzip(&lines(50)));
    assert!(long.len() < 400);
    assert_eq!(upload(&api, CREATE, "gzip", fits).await.status, 202);
    upload(&api, CREATE, "gzip", long)
        .await
        .problem(413, "upload-too-large");
    let api = Api::new().await;
    upload(&api, CREATE, "gzip", gzip(&lines(101)))
        .await
        .problem(413, "too-many-items");
    upload(
        &api,
        CREATE,
        "gzip",
        gzip(&format!("\"{}\"\n", "x".repeat(2_000))),
    )
    .await
    .problem(413, "item-too-large");
}

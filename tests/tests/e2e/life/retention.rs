//! What batches leave, and how it goes.

use std::io::Read;

use flate2::read::GzDecoder;
use flotilla_tests::eventually;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::engine::{Deployment, Engine, PATIENCE, on_both_engines};

on_both_engines!(parts_of_a_batch_go_in_their_time);

const ITEMS: u32 = 2_500;

/// Inputs at once, outputs by what the space says, dead letters by what the deployment says, and all of it last; others
/// stay.
async fn parts_of_a_batch_go_in_their_time(engine: Engine) {
    let config = "retention = { dead_letters = \"1s\", archive = true }\n\
        [spaces.default]\nretention = { outputs = \"2s\" }\n";
    let deployment = Deployment::start(engine, config).await;
    let client = deployment.client();
    let item = |n: u32| json!({"custom_id": format!("c{n}"), "n": n, "fail": n.is_multiple_of(10)});
    let items: Vec<Value> = (0..ITEMS).map(item).collect();
    let kept = json!({"job_type": "sleep", "retention": {"outputs": "1h", "dead_letters": "1h"}});
    let kept = client.create(kept, items.clone()).await;
    client.result(&kept, PATIENCE).await;
    let whole = client.items(&kept).await;
    let options = json!({"job_type": "sleep", "retention": {"inputs": 0}});
    let batch = client.create(options, items).await;
    client.result(&batch, PATIENCE).await;
    let ended = client.batch(&batch).await;
    assert_eq!(ended["retention"]["outputs_s"], 2.0);
    assert_eq!(ended["part_expires_at"]["inputs"], ended["completed_at"]);
    let all = json!(["inputs", "outputs", "dead_letters"]);
    client
        .until(&batch, "its parts to go", PATIENCE, |batch| {
            batch["expired"] == all
        })
        .await;
    let left = eventually("every row to be done", PATIENCE, || async {
        let left = client.items(&batch).await;
        let done = |item: &Value| item["input"].is_null() && item["output"].is_null();
        left.iter().all(done).then_some(left)
    })
    .await;
    assert_eq!(left.len(), ITEMS as usize);
    for (n, item) in left.iter().enumerate() {
        assert_eq!(item["custom_id"], format!("c{n}"));
        assert_eq!(item["state"], whole[n]["state"]);
    }
    eventually("its dead letters to go", PATIENCE, || async {
        let dead = client.json(&format!("/v1/dead-letters?batch={batch}")).await;
        (dead["dead_letters"] == json!([])).then_some(())
    })
    .await;
    let path = format!("/v1/batches/{batch}/retry");
    let (status, why) = client.request(Method::POST, &path, None).await;
    assert_eq!(status, StatusCode::CONFLICT, "{why}");

    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("archive.ndjson.gz");
    let name = file.display().to_string();
    let (code, _, error) = deployment
        .cli(&["download", &batch, "--archive", "--out", &name])
        .await;
    assert_eq!((code, &*error), (0, ""));
    let mut text = String::new();
    GzDecoder::new(std::fs::File::open(file).unwrap())
        .read_to_string(&mut text)
        .unwrap();
    let archived: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(archived.len(), ITEMS as usize);
    for (archived, kept) in archived.iter().zip(&whole) {
        for same in ["index", "custom_id", "state", "input", "output", "error"] {
            assert_eq!(archived[same], kept[same], "{same}");
        }
    }
    let (code, text, error) = deployment.cli(&["get", &batch, "--output", "table"]).await;
    assert_eq!((code, &*error), (0, ""));
    assert!(text.contains("inputs, outputs, dead_letters; archived"), "{text}");
    assert_eq!(client.items(&kept).await, whole, "it is another batch");

    let short = json!({"job_type": "echo", "retention": {"results": "1s", "archive": false}});
    let short = client.create(short, vec![json!(1)]).await;
    eventually("the batch to go", PATIENCE, || async {
        let (status, _) = client.try_request(&format!("/v1/batches/{short}")).await?;
        (status == StatusCode::NOT_FOUND).then_some(())
    })
    .await;
    deployment.end().await;
}

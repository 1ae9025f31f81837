//! A batch as a ZIP archive, opened by programs that others wrote.

use std::process::{Command, Stdio};

use axum::body::Body;
use axum::http::Request;
use axum::response::Response;
use flotilla_core::message::Verdict;
use flotilla_core::outcome::{ItemError, ItemErrorKind};
use flotilla_core::{BatchId, Space};
use futures_util::StreamExt;
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tower::ServiceExt;

use crate::artifacts::finish;
use crate::harness::{Api, config};

/// Reads an archive from end to end, as any program would: tests every entry, unpacks it, compares it with the manifest, and
/// prints what there is as JSON.
const READ: &str = r#"
import hashlib, json, os, sys, tempfile, zipfile, zlib
archive = zipfile.ZipFile(sys.argv[1])
assert archive.testzip() is None
names = archive.namelist()
assert len(set(name.lower() for name in names)) == len(names)
manifest = json.loads(archive.read("manifest.json"))
assert names[-1] == "manifest.json"
assert [entry["name"] for entry in manifest["entries"]] == names[:-1]
for entry in manifest["entries"]:
    data = archive.read(entry["name"])
    assert len(data) == entry["bytes"], entry
    assert hashlib.sha256(data).hexdigest() == entry["sha256"], entry
    assert "%08x" % zlib.crc32(data) == entry["crc32"], entry
with tempfile.TemporaryDirectory() as folder:
    archive.extractall(folder)
    files = [os.path.join(at, name) for at, _, names_ in os.walk(folder) for name in names_]
    assert len(files) == len(names), (files, names)
texts = {name: archive.read(name).decode() for name in names if not name.startswith("artifacts/")}
print(json.dumps({"names": names, "texts": texts, "manifest": manifest}))
"#;

async fn ask(api: &Api, id: &str, query: &str) -> Response {
    let path = format!("/v1/batches/{id}/download?format=zip{query}");
    let request = Request::get(path).body(Body::empty()).unwrap();
    api.router.clone().oneshot(request).await.unwrap()
}

/// What Python says of the archive, once `unzip` has looked at it as well.
async fn read(response: Response) -> Value {
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["content-type"], "application/zip");
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("batch.zip");
    std::fs::write(&file, bytes).unwrap();
    let read = Command::new("python3")
        .args(["-c", READ])
        .arg(&file)
        .output()
        .unwrap();
    let error = String::from_utf8_lossy(&read.stderr);
    assert!(read.status.success(), "{error}");
    match Command::new("unzip")
        .arg("-t")
        .arg(&file)
        .stdout(Stdio::piped())
        .output()
    {
        Ok(tested) => {
            let said = String::from_utf8_lossy(&tested.stdout);
            assert!(tested.status.success() && said.contains("No errors"), "{said}");
        }
        Err(missing) => println!("without unzip: {missing}"),
    }
    serde_json::from_slice(&read.stdout).unwrap()
}

fn lines(archive: &Value, name: &str) -> Vec<Value> {
    let text = archive["texts"][name].as_str().unwrap();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// A batch whose items are done, failed, or not there yet.
async fn batch(api: &Api) -> String {
    let id = api.batch_of("team", &"{\"n\": 1}\n".repeat(12)).await;
    let batch: BatchId = id.parse().unwrap();
    api.dispatch(batch).await;
    let large = vec![7; 300_000];
    let hostile = [
        ("a/ü.txt", b"one".to_vec()),
        ("A/Ü.txt", b"two".to_vec()),
        ("C:\\x", Vec::new()),
        ("nul.txt", b"x".to_vec()),
        ("large.bin", large),
    ];
    finish(api, "team", &id, 3, &hostile).await;
    finish(api, "team", &id, 7, &[("a/ü.txt", b"three".to_vec())]).await;
    finish(api, "team", &id, 8, &[]).await;
    let failed = ItemError::new(ItemErrorKind::Handler, "no");
    for index in [2, 9] {
        api.report(batch, index, 1, Verdict::Fail(failed.clone())).await;
    }
    id
}

#[tokio::test]
async fn an_archive_has_everything() {
    let api = Api::with(flotilla_api::Config {
        page_bytes: 300,
        ..config()
    })
    .await;
    let id = batch(&api).await;
    let archive = read(ask(&api, &id, "&space=team").await).await;
    assert_eq!(
        archive["names"],
        json!([
            "results.ndjson",
            "results.csv",
            "errors.ndjson",
            "artifacts/3/a/ü.txt",
            "artifacts/3/A_Ü~2.txt",
            "artifacts/3/C__x",
            "artifacts/3/_nul.txt",
            "artifacts/3/large.bin",
            "artifacts/7/a/ü.txt",
            "manifest.json"
        ])
    );
    for (name, format, query) in [
        ("results.ndjson", "ndjson", ""),
        ("results.csv", "csv", ""),
        ("errors.ndjson", "ndjson", "&state=failed"),
    ] {
        let path = format!("/v1/batches/{id}/download?space=team&format={format}{query}");
        assert_eq!(archive["texts"][name], api.get(&path).await.text, "{name}");
    }
    assert_eq!(lines(&archive, "results.ndjson").len(), 12);
    assert_eq!(lines(&archive, "errors.ndjson").len(), 2);
    let manifest = &archive["manifest"];
    assert_eq!(
        (
            &manifest["batch_id"],
            &manifest["space"],
            &manifest["running"],
            &manifest["only"]
        ),
        (&json!(id), &json!("team"), &json!(true), &Value::Null)
    );
}

#[tokio::test]
async fn an_archive_may_have_one_state_only() {
    let api = Api::new().await;
    let id = batch(&api).await;
    let archive = read(ask(&api, &id, "&space=team&state=failed").await).await;
    let names = json!(["results.ndjson", "results.csv", "errors.ndjson", "manifest.json"]);
    assert_eq!(archive["names"], names);
    assert_eq!(
        archive["texts"]["errors.ndjson"],
        archive["texts"]["results.ndjson"]
    );
    assert_eq!(archive["manifest"]["only"], "failed");
    let archive = read(ask(&api, &id, "&space=team&state=succeeded").await).await;
    assert_eq!(archive["texts"]["errors.ndjson"], "");
    assert_eq!(lines(&archive, "results.ndjson").len(), 3);
    assert_eq!(archive["names"].as_array().unwrap().len(), 10);
}

/// Also one that has ended, and one with as many files as an item may have.
#[tokio::test]
async fn an_archive_of_many_files() {
    let api = Api::new().await;
    let id = api.batch_of("default", "1\n").await;
    api.dispatch(id.parse().unwrap()).await;
    let names: Vec<String> = (0..1_000).map(|n| format!("f/{n}.txt")).collect();
    let files: Vec<_> = names
        .iter()
        .map(|name| (name.as_str(), name.clone().into_bytes()))
        .collect();
    finish(&api, "default", &id, 0, &files).await;
    let archive = read(ask(&api, &id, "").await).await;
    assert_eq!(archive["names"].as_array().unwrap().len(), 1_004);
    assert_eq!(archive["manifest"]["running"], false);
}

/// A part must not look like the whole.
#[tokio::test]
async fn an_archive_that_can_not_be_whole_is_cut() {
    let api = Api::new().await;
    let id = batch(&api).await;
    let (space, batch): (Space, BatchId) = ("team".parse().unwrap(), id.parse().unwrap());
    // Of the same length, and not what was recorded.
    let shown = api
        .get(&format!("/v1/batches/{id}/items/7?space=team"))
        .await
        .json;
    assert_eq!(shown["artifacts"][0]["bytes"], 5);
    let key = flotilla_core::ports::Objects::artifact_key(&space, batch, 7, "1-a", "a/ü.txt");
    let mut other = api.deps.objects.write_artifact(key).unwrap();
    other.write(b"THREE").await.unwrap();
    other.finish().await.unwrap();
    assert!(cut(ask(&api, &id, "&space=team").await).await);
    api.deps.objects.remove_batch(&space, batch).await.unwrap();
    assert!(cut(ask(&api, &id, "&space=team").await).await);
}

async fn cut(response: Response) -> bool {
    assert_eq!(response.status(), 200);
    let mut pieces = response.into_body().into_data_stream();
    while let Some(piece) = pieces.next().await {
        if piece.is_err() {
            return true;
        }
    }
    false
}

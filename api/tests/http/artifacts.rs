//! Files that came of items: shown, downloaded, and brought by callback.

use std::sync::Arc;

use axum::body::Body;
use axum::http::{HeaderMap, Request};
use flotilla_core::artifact::Artifact;
use flotilla_core::job_type::{HandlerSpec, HttpSpec, JobType, JobTypes};
use flotilla_core::message::{ItemMessage, Verdict, Waiting};
use flotilla_core::outcome::Output;
use flotilla_core::ports::Objects;
use flotilla_core::{BatchId, Json, Space};
use http_body_util::BodyExt;
use serde_json::json;
use tower::ServiceExt;

use crate::harness::{Answer, Api, Fleet};

const SHA256_OF_XY: &str = "968e772cf168b7f17f3fbd00e6e1c8b4afb8db2f0c1548d9928f3c3d7a758a75";

/// A worker has finished item `index` with these files.
pub(crate) async fn finish(api: &Api, space: &str, id: &str, index: u32, files: &[(&str, Vec<u8>)]) {
    let batch: BatchId = id.parse().unwrap();
    let space: Space = space.parse().unwrap();
    let mut artifacts = Vec::new();
    for (name, bytes) in files {
        let key = Objects::artifact_key(&space, batch, index, "1-a", name);
        let mut file = api.deps.objects.write_artifact(key).unwrap();
        file.write(bytes).await.unwrap();
        let (key, written) = file.finish().await.unwrap();
        artifacts.push(Artifact {
            name: (*name).to_owned(),
            key,
            bytes: written.bytes,
            media_type: flotilla_core::artifact::media_type_of(name).into(),
            sha256: written.sha256,
        });
    }
    api.report_files(batch, index, artifacts).await;
}

/// A batch of the space with one item that has files.
async fn batch(api: &Api, space: &str, files: &[(&str, Vec<u8>)]) -> String {
    let id = api.batch_of(space, "1\n2\n").await;
    api.dispatch(id.parse().unwrap()).await;
    finish(api, space, &id, 0, files).await;
    id
}

struct Got {
    status: u16,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl Got {
    fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name);
        value.map_or("", |value| value.to_str().unwrap())
    }
}

async fn get(api: &Api, method: &str, path: &str, headers: &[(&str, &str)]) -> Got {
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(Body::empty()).unwrap();
    let response = api.router.clone().oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    Got {
        status: parts.status.as_u16(),
        headers: parts.headers,
        body: body.collect().await.unwrap().to_bytes().to_vec(),
    }
}

#[tokio::test]
async fn an_item_shows_its_files_and_where_they_are() {
    let api = Api::new().await;
    let (name, text) = ("a b/ü#1.csv", b"x,y".to_vec());
    for (space, query) in [("default", ""), ("team", "?space=team")] {
        let id = batch(&api, space, &[(name, text.clone())]).await;
        let items = format!("/v1/batches/{id}/items");
        let list = api.get(&format!("{items}?space={space}")).await.json;
        let item = api.get(&format!("{items}/0?space={space}")).await.json;
        assert_eq!(item["artifacts"], list["items"][0]["artifacts"]);
        let url = format!("{items}/0/artifacts/a%20b/%C3%BC%231.csv{query}");
        assert_eq!(
            item["artifacts"],
            json!([{
                "name": name,
                "bytes": 3,
                "media_type": "text/csv; charset=utf-8",
                "sha256": SHA256_OF_XY,
                "url": url,
            }])
        );
        assert!(list["items"][1].get("artifacts").is_none(), "{list}");
        let got = get(&api, "GET", &url, &[]).await;
        assert_eq!((got.status, got.body), (200, text.clone()));
    }
}

#[tokio::test]
async fn a_file_is_downloaded_whole_or_in_part() {
    let api = Api::new().await;
    let bytes: Vec<u8> = (0..200_000_u32).map(|n| (n % 251) as u8).collect();
    let id = batch(
        &api,
        "default",
        &[("x/ü.png", bytes.clone()), ("empty", Vec::new())],
    )
    .await;
    let item = api.get(&format!("/v1/batches/{id}/items/0")).await.json;
    let etag = format!("\"{}\"", item["artifacts"][0]["sha256"].as_str().unwrap());
    let url = item["artifacts"][0]["url"].as_str().unwrap();
    let whole = get(&api, "GET", url, &[]).await;
    assert!(whole.status == 200 && whole.body == bytes);
    for (name, value) in [
        ("etag", &*etag),
        ("content-type", "image/png"),
        ("content-length", "200000"),
        ("accept-ranges", "bytes"),
        ("x-content-type-options", "nosniff"),
        (
            "content-disposition",
            "attachment; filename=\"_.png\"; filename*=UTF-8''%C3%BC.png",
        ),
    ] {
        assert_eq!(whole.header(name), value);
    }
    let head = get(&api, "HEAD", url, &[("range", "bytes=0-1")]).await;
    assert_eq!((head.status, head.body.len()), (200, 0));
    assert_eq!(
        (head.header("content-length"), head.header("etag")),
        ("200000", &*etag)
    );

    let part = get(
        &api,
        "GET",
        url,
        &[("range", "bytes=100000-150000"), ("if-range", &etag)],
    )
    .await;
    assert_eq!(part.status, 206);
    assert_eq!(part.header("content-range"), "bytes 100000-150000/200000");
    assert_eq!(part.header("content-length"), "50001");
    assert!(part.body == bytes[100_000..=150_000]);
    let last = get(&api, "GET", url, &[("range", "bytes=-7")]).await;
    assert!(last.status == 206 && last.body == bytes[199_993..]);
    let changed = get(&api, "GET", url, &[("range", "bytes=0-1"), ("if-range", "\"x\"")]).await;
    assert!(changed.status == 200 && changed.body == bytes);
    let none = get(&api, "GET", url, &[("range", "bytes=200000-")]).await;
    assert_eq!(
        (none.status, none.header("content-range")),
        (416, "bytes */200000")
    );
    assert_eq!(none.header("content-type"), "application/problem+json");
    let fresh = get(&api, "GET", url, &[("if-none-match", &format!("\"x\", {etag}"))]).await;
    assert_eq!(
        (fresh.status, fresh.body.len(), fresh.header("etag")),
        (304, 0, &*etag)
    );

    let empty = format!("/v1/batches/{id}/items/0/artifacts/empty");
    let got = get(&api, "GET", &empty, &[]).await;
    assert_eq!((got.status, got.header("content-length")), (200, "0"));
    assert_eq!(
        get(&api, "GET", &empty, &[("range", "bytes=0-")]).await.status,
        416
    );
}

#[tokio::test]
async fn what_is_not_there_is_said() {
    let api = Api::new().await;
    let id = batch(&api, "a", &[("x", b"1".to_vec())]).await;
    let path = format!("/v1/batches/{id}/items");
    let ask = async |path: String| api.get(&path).await;
    ask(format!("{path}/0/artifacts/x"))
        .await
        .problem(404, "unknown-batch");
    ask(format!("{path}/0/artifacts/x?space=b"))
        .await
        .problem(404, "unknown-batch");
    ask(format!("{path}/7/artifacts/x?space=a"))
        .await
        .problem(404, "unknown-item");
    for name in ["y", "x/y", "%2E%2E/x", "X"] {
        let answer = ask(format!("{path}/0/artifacts/{name}?space=a")).await;
        answer.problem(404, "unknown-artifact");
    }
    ask(format!("{path}/1/artifacts/x?space=a"))
        .await
        .problem(404, "unknown-artifact");
    assert_eq!(ask(format!("{path}/0/artifacts/x?space=a")).await.text, "1");
    let batch: BatchId = id.parse().unwrap();
    api.deps
        .objects
        .remove_batch(&"a".parse().unwrap(), batch)
        .await
        .unwrap();
    let gone = ask(format!("{path}/0/artifacts/x?space=a")).await;
    assert!(
        gone.problem(404, "unknown-artifact")
            .contains("not in object storage")
    );
}

/// Whoever reports is not trusted with what belongs to others.
#[tokio::test]
async fn no_report_leads_to_files_of_others() {
    let api = Api::new().await;
    let other = batch(&api, "b", &[("secret", b"secret".to_vec())]).await;
    let id = api.batch_of("a", "1\n").await;
    let batch: BatchId = id.parse().unwrap();
    api.dispatch(batch).await;
    let key = Objects::artifact_key(&"b".parse().unwrap(), other.parse().unwrap(), 0, "1-a", "secret");
    let artifact = Artifact {
        name: "mine".into(),
        key,
        bytes: 6,
        media_type: "text/plain".into(),
        sha256: "00".into(),
    };
    api.report_files(batch, 0, vec![artifact]).await;
    let answer = api
        .get(&format!("/v1/batches/{id}/items/0/artifacts/mine?space=a"))
        .await;
    answer.problem(500, "internal");
    assert!(!answer.text.contains("secret"));
}

/// An item that waits, with its files' prefix.
async fn waits(api: &Api, job_type: &str) -> (String, ItemMessage, String) {
    let options = json!({"callback_timeout": "60s", "job_type": job_type});
    let id = api.create(options, 1).await;
    let mut fleet = Fleet::start(api).await;
    let item = fleet.item().await;
    fleet.stop().await;
    let waiting = Verdict::Waiting(Waiting::default());
    api.report(item.batch, 0, 1, waiting).await;
    let prefix = Objects::artifact_prefix(&item.space, item.batch, 0);
    (id, item, format!("{prefix}render-1/"))
}

async fn put(api: &Api, key: &str, bytes: &[u8]) {
    let mut file = api.deps.objects.write_artifact(key.into()).unwrap();
    file.write(bytes).await.unwrap();
    file.finish().await.unwrap();
}

async fn call(api: &Api, item: &ItemMessage, artifacts: serde_json::Value) -> Answer {
    let url = item.callback.as_deref().unwrap();
    let path = url.strip_prefix("http://127.0.0.1:7400").unwrap();
    let body = json!({"status": "succeeded", "output": 1, "artifacts": artifacts});
    api.ask("POST", path, body).await
}

#[tokio::test]
async fn a_callback_brings_files() {
    let api = Api::new().await;
    let (id, item, prefix) = waits(&api, "echo").await;
    let key = format!("{prefix}sub/out 1.png");
    let files = json!([{"name": "frames/1.png", "key": key}]);
    let early = call(&api, &item, files.clone()).await;
    assert!(
        early.problem(400, "invalid-field").contains("there is nothing"),
        "{}",
        early.text
    );
    put(&api, &key, b"abc").await;
    let elsewhere = item.batch.to_string();
    for (bad, part) in [
        (format!("{prefix}../../1/x"), "not below"),
        (format!("outputs/default/{elsewhere}/0.1.json"), "not below"),
        (prefix.replace("/0/", "/1/") + "x", "not below"),
    ] {
        put_if_possible(&api, &bad).await;
        let refused = call(&api, &item, json!([{"name": "x", "key": bad}])).await;
        assert!(
            refused.problem(400, "invalid-field").contains(part),
            "{}",
            refused.text
        );
    }
    for _ in 0..2 {
        let done = call(&api, &item, files.clone()).await;
        assert_eq!(
            (done.status, done.json["state"].as_str()),
            (200, Some("succeeded"))
        );
    }
    // The same call is another one with other files.
    let other = call(&api, &item, json!([])).await;
    other.problem(410, "callback-gone");
    let shown = api.get(&format!("/v1/batches/{id}/items/0")).await.json;
    assert_eq!(
        shown["artifacts"][0]["sha256"],
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    );
    assert_eq!(shown["artifacts"][0]["media_type"], "image/png");
    let got = get(&api, "GET", shown["artifacts"][0]["url"].as_str().unwrap(), &[]).await;
    assert_eq!(got.body, b"abc");
}

async fn put_if_possible(api: &Api, key: &str) {
    if let Ok(mut file) = api.deps.objects.write_artifact(key.into()) {
        file.write(b"x").await.unwrap();
        file.finish().await.unwrap();
    }
}

#[tokio::test]
async fn a_callback_brings_no_more_than_the_handler_could() {
    let mut api = Api::new().await;
    let mut types = JobTypes::builtin();
    let mut spec = HttpSpec::new("http://localhost".into());
    spec.max_artifact_bytes = Some(5);
    types.insert("render", JobType::new(HandlerSpec::Http(spec)));
    api.deps.job_types = Arc::new(types);
    api.router = flotilla_api::router(api.deps.clone(), api.config.clone());
    let (_, item, prefix) = waits(&api, "render").await;
    let (one, two) = (format!("{prefix}1"), format!("{prefix}2"));
    put(&api, &one, b"abc").await;
    put(&api, &two, b"def").await;
    let both = json!([{"name": "1", "key": one}, {"name": "2", "key": two}]);
    let refused = call(&api, &item, both).await;
    assert!(
        refused.problem(413, "output-too-large").contains("5 bytes"),
        "{}",
        refused.text
    );
    assert_eq!(
        call(&api, &item, json!([{"name": "1", "key": one}])).await.status,
        200
    );
}

/// An output and files at once.
#[tokio::test]
async fn a_list_too_long_for_a_page_is_left_out_there() {
    let api = Api::new().await;
    let id = api.batch_of("default", "1\n2\n").await;
    let batch: BatchId = id.parse().unwrap();
    api.dispatch(batch).await;
    let files = (0..1_000).map(|n| Artifact {
        name: format!("{n}"),
        key: format!("{}1-a/{n}", Objects::artifact_prefix(&Space::default(), batch, 0)),
        bytes: 1,
        media_type: "text/plain".into(),
        sha256: "00".into(),
    });
    api.report_files(batch, 0, files.collect()).await;
    let done = Verdict::Done(Output::Inline(Json::null()));
    api.report(batch, 1, 1, done).await;
    let list = api.get(&format!("/v1/batches/{id}/items")).await.json;
    assert_eq!(list["items"][0]["artifacts_left_out"], true);
    assert!(list["items"][0].get("artifacts").is_none());
    assert!(list["items"][1].get("artifacts_left_out").is_none());
    let item = api.get(&format!("/v1/batches/{id}/items/0")).await.json;
    assert_eq!(item["artifacts"].as_array().unwrap().len(), 1_000);
}

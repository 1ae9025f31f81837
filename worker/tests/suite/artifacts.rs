//! Files that come of items: handlers of every kind, in a whole worker.

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use axum::Router;
use axum::body::Body;
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::routing::post;
use bytes::Bytes;
use flotilla_core::artifact::Artifact;
use flotilla_core::job_type::{ExecMode, ExecSpec, HttpSpec};
use flotilla_core::message::{ItemMessage, ItemReport, Verdict, Waiting};
use flotilla_core::outcome::{ItemErrorKind, Output};
use flotilla_core::ports::Objects;
use flotilla_core::{BatchId, Json, Shutdown, Space, Tasks};
use flotilla_worker::handlers::{Exec, ExecLines, Http};
use flotilla_worker::{Config, Handler, ItemContext, Registry};
use futures_util::{TryStreamExt, stream};
use tempfile::TempDir;
use tokio::net::TcpListener;

use crate::support::flaky::Flaky;
use crate::support::fleet::{Fleet, item};
use crate::support::{eventually, shell};

/// What a worker reports about `messages`, which `handler` handles, in the order of their indexes.
async fn reports(fleet: &Fleet, handler: Arc<dyn Handler>, messages: Vec<ItemMessage>) -> Vec<ItemReport> {
    let count = messages.len();
    fleet.publish(messages).await;
    let worker = fleet.start(Config {
        handlers: Registry::default().with("files", handler),
        ..fleet.config()
    });
    fleet.judged(count).await;
    fleet.stop(worker).await;
    let mut reports: Vec<_> = fleet.outcomes().into_iter().map(|(_, one)| one).collect();
    reports.sort_unstable_by_key(|report| report.index);
    reports
}

async fn report(fleet: &Fleet, handler: impl Handler + 'static) -> ItemReport {
    let message = item(7, 0, "files", r#"{"a": 1}"#);
    reports(fleet, Arc::new(handler), vec![message]).await.remove(0)
}

async fn bytes(fleet: &Fleet, artifact: &Artifact) -> Vec<u8> {
    let pieces = fleet.objects.read_artifact(&artifact.key, None).await.unwrap();
    let pieces: Vec<Bytes> = pieces.unwrap().try_collect().await.unwrap();
    pieces.concat()
}

fn names(report: &ItemReport) -> Vec<&str> {
    let all = report.artifacts.iter();
    all.map(|artifact| artifact.name.as_str()).collect()
}

fn exec(dir: &Path, script: &str) -> Exec {
    Exec::new(&ExecSpec {
        artifacts: true,
        ..shell(dir, script)
    })
    .unwrap()
}

#[track_caller]
fn error(report: &ItemReport, kind: ItemErrorKind) -> &str {
    let (Verdict::Fail(error) | Verdict::Retry { error, .. }) = &report.verdict else {
        panic!("{:?}", report.verdict)
    };
    assert_eq!(error.kind, kind, "{}", error.message);
    assert_eq!(report.artifacts, [], "what failed has no files");
    &error.message
}

/// The folder that the command was given, which must not be there any more.
async fn removed(dir: &TempDir) {
    let folder = std::fs::read_to_string(dir.path().join("folder")).unwrap();
    assert!(Path::new(&folder).is_absolute());
    eventually("the folder to be removed", || {
        (!Path::new(&folder).exists()).then_some(())
    })
    .await;
}

#[tokio::test]
async fn what_a_command_leaves_in_its_folder_is_kept() {
    let (fleet, dir) = (Fleet::new().await, tempfile::tempdir().unwrap());
    let script = r#"
        printf %s "$FLOTILLA_ARTIFACTS" > folder; cd "$FLOTILLA_ARTIFACTS"
        mkdir -p b/ü; printf abc > 'b/ü/x y.png'; : > empty; head -c 12000003 /dev/zero > a.bin; echo '{{"ok": true}}'"#;
    let report = report(&fleet, exec(dir.path(), script)).await;
    let output = Verdict::Done(Output::Inline(Json::parse(r#"{"ok": true}"#).unwrap()));
    assert_eq!(report.verdict, output);
    assert_eq!(names(&report), ["a.bin", "b/ü/x y.png", "empty"]);
    let [large, small, empty] = &report.artifacts[..] else {
        panic!()
    };
    assert_eq!((large.bytes, empty.bytes), (12_000_003, 0));
    assert_eq!(
        (small.bytes, &*small.media_type, &*small.sha256),
        (
            3,
            "image/png",
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        )
    );
    assert_eq!(bytes(&fleet, small).await, b"abc");
    assert!(bytes(&fleet, large).await == vec![0; 12_000_003]);
    let prefix = format!("exports/default/{}/0/2-", BatchId(uuid::Uuid::from_u128(7)));
    assert!(small.key.starts_with(&prefix), "{}", small.key);
    removed(&dir).await;
}

#[tokio::test]
async fn every_run_of_an_attempt_has_keys_of_its_own() {
    let (fleet, dir) = (Fleet::new().await, tempfile::tempdir().unwrap());
    let handler = Arc::new(exec(dir.path(), r#"echo $$ > "$FLOTILLA_ARTIFACTS/x""#));
    // The same item, twice.
    let messages = vec![item(7, 0, "files", "1"), item(7, 0, "files", "1")];
    let reports = reports(&fleet, handler, messages).await;
    assert_ne!(reports[0].artifacts[0].key, reports[1].artifacts[0].key);
    for report in &reports {
        assert_eq!(names(report), ["x"]);
        assert!(!bytes(&fleet, &report.artifacts[0]).await.is_empty());
    }
}

#[tokio::test]
async fn nothing_is_kept_of_a_failure() {
    let (fleet, dir) = (Fleet::new().await, tempfile::tempdir().unwrap());
    let script = r#"printf %s "$FLOTILLA_ARTIFACTS" > folder; echo x > "$FLOTILLA_ARTIFACTS/x"; exit 1"#;
    let report = report(&fleet, exec(dir.path(), script)).await;
    error(&report, ItemErrorKind::Handler);
    removed(&dir).await;
}

#[tokio::test]
async fn without_the_option_there_is_no_folder() {
    let (fleet, dir) = (Fleet::new().await, tempfile::tempdir().unwrap());
    let plain = Exec::new(&shell(dir.path(), "env | grep -c FLOTILLA_ARTIFACTS || true")).unwrap();
    let report = report(&fleet, plain).await;
    assert_eq!(
        report.verdict,
        Verdict::Done(Output::Inline(Json::of(&0).unwrap()))
    );
    assert_eq!(report.artifacts, []);
}

#[tokio::test]
async fn what_is_no_file_is_refused() {
    for (script, part) in [
        ("ln -s /etc/hostname link", "\"link\" is no regular file"),
        ("ln -s / dir", "\"dir\" is no regular file"),
        ("mkdir a; mkfifo a/pipe", "\"a/pipe\" is no regular file"),
        ("printf x > \"$(printf 'a\\nb')\"", "control character"),
        ("printf x > \"$(printf 'a\\377b')\"", "not UTF-8"),
        (
            "for n in $(seq 1001); do : > $n; done",
            "more than 1000 artifacts",
        ),
    ] {
        let (fleet, dir) = (Fleet::new().await, tempfile::tempdir().unwrap());
        let script = format!("cd \"$FLOTILLA_ARTIFACTS\" && {script}");
        let report = report(&fleet, exec(dir.path(), &script)).await;
        assert!(
            matches!(report.verdict, Verdict::Fail(_)),
            "it would be so again: {script}"
        );
        let message = error(&report, ItemErrorKind::Output);
        assert!(message.contains(part), "{script}: {message}");
    }
}

#[tokio::test]
async fn files_have_a_limit() {
    for (bytes, fits) in [(1_000, true), (1_001, false)] {
        let (fleet, dir) = (Fleet::new().await, tempfile::tempdir().unwrap());
        let script = format!(
            "cd \"$FLOTILLA_ARTIFACTS\" && echo a > a && head -c {} /dev/zero > b",
            bytes - 2
        );
        let handler = Exec::new(&ExecSpec {
            artifacts: true,
            max_artifact_bytes: Some(1_000),
            ..shell(dir.path(), &script)
        });
        let report = report(&fleet, handler.unwrap()).await;
        if fits {
            assert_eq!(names(&report), ["a", "b"]);
        } else {
            let message = error(&report, ItemErrorKind::Output);
            assert!(
                message.contains("more than 1000 bytes (max_artifact_bytes)"),
                "{message}"
            );
        }
    }
}

#[tokio::test]
async fn a_long_lived_process_is_told_a_folder_per_item() {
    let (fleet, dir) = (Fleet::new().await, tempfile::tempdir().unwrap());
    let script = r#"while read -r line; do
        folder=$(printf %s "$line" | sed 's/.*"artifacts":"\([^"]*\)".*/\1/')
        printf %s "$line" > "$folder/line.json"; echo 7; done"#;
    let handler = ExecLines::new(&ExecSpec {
        mode: ExecMode::Lines,
        envelope: true,
        artifacts: true,
        ..shell(dir.path(), script)
    });
    let messages = (0..3).map(|index| item(7, index, "files", &index.to_string()));
    let reports = reports(&fleet, Arc::new(handler.unwrap()), messages.collect()).await;
    for report in &reports {
        assert_eq!(names(report), ["line.json"]);
        let line = bytes(&fleet, &report.artifacts[0]).await;
        let line: serde_json::Value = serde_json::from_slice(&line).unwrap();
        assert_eq!(
            (&line["index"], &line["input"]),
            (&report.index.into(), &report.index.into())
        );
        assert!(!Path::new(line["artifacts"].as_str().unwrap()).starts_with(dir.path()));
    }
}

/// Writes what the item says.
struct Files;

#[async_trait]
impl Handler for Files {
    async fn handle(&self, item: &ItemContext, input: &Json) -> Verdict {
        let files: Vec<(String, String)> = input.to().unwrap();
        for (name, text) in files {
            let written = item.write_artifact(&name, None, text.as_bytes()).await;
            match written {
                Ok(artifact) => assert_eq!(artifact.bytes, text.len() as u64),
                Err(error) => return Verdict::Fail(error),
            }
        }
        let mut last = item.create_artifact("last", Some("text/x-own")).unwrap();
        last.write(b"a").await.unwrap();
        last.write(b"bc").await.unwrap();
        last.finish().await.unwrap();
        drop(item.create_artifact("never finished", None).unwrap());
        let folder = item.artifacts_folder().await.unwrap();
        assert_eq!(item.artifacts_folder().await.unwrap(), folder);
        tokio::fs::write(folder.join("of the folder"), "f").await.unwrap();
        Verdict::Done(Output::Inline(Json::null()))
    }
}

#[tokio::test]
async fn a_handler_of_this_process_writes_files() {
    let fleet = Fleet::new().await;
    let inputs = [
        r#"[["a/b.csv", "x,y"]]"#,
        r#"[["a", "1"], ["a", "2"]]"#,
        r#"[["../a", "1"]]"#,
    ];
    let messages = (0..)
        .zip(inputs)
        .map(|(index, input)| item(7, index, "files", input));
    let reports = reports(&fleet, Arc::new(Files), messages.collect()).await;
    assert_eq!(names(&reports[0]), ["a/b.csv", "last", "of the folder"]);
    let types: Vec<_> = reports[0].artifacts.iter().map(|one| &*one.media_type).collect();
    assert_eq!(
        types,
        [
            "text/csv; charset=utf-8",
            "text/x-own",
            "application/octet-stream"
        ]
    );
    assert_eq!(bytes(&fleet, &reports[0].artifacts[1]).await, b"abc");
    assert!(error(&reports[1], ItemErrorKind::Output).contains("two artifacts with the name \"a\""));
    assert!(error(&reports[2], ItemErrorKind::Output).contains("\"..\""));
}

/// A server of files, which stops with the test.
async fn serve() -> (String, Shutdown) {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let pieces = |count: usize| {
        Body::from_stream(stream::iter(
            (0..count).map(|_| Ok::<_, String>(Bytes::from_static(&[7; 65_536]))),
        ))
    };
    let router = Router::new()
        .route(
            "/png",
            post(async move || {
                let headers = [
                    (CONTENT_TYPE, "image/png"),
                    (
                        CONTENT_DISPOSITION,
                        "attachment; filename*=UTF-8''..%2Fna%C3%AFve.png",
                    ),
                ];
                (headers, pieces(200))
            }),
        )
        .route("/html", post(async || "<html>"))
        .route("/number", post(async || "1.50"))
        .route("/blank", post(async || ([(CONTENT_TYPE, "image/png")], "")))
        .route(
            "/long",
            post(async || format!("\"{}\"", "x".repeat((1 << 20) + 10))),
        )
        .route(
            "/cut",
            post(async || {
                let pieces = stream::iter([Ok(Bytes::from_static(b"%PDF")), Err("cut")]);
                ([(CONTENT_TYPE, "application/pdf")], Body::from_stream(pieces))
            }),
        )
        .route(
            "/later",
            post(async |headers: axum::http::HeaderMap| {
                let prefix = headers.get("x-flotilla-artifacts-prefix").unwrap();
                let bytes = prefix.as_bytes().to_vec();
                (
                    axum::http::StatusCode::CREATED,
                    [(CONTENT_TYPE, "x/prefix")],
                    bytes,
                )
            }),
        );
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let shutdown = Shutdown::new();
    let stop = shutdown.clone();
    Tasks::new(shutdown.clone()).spawn("server", async move {
        stop.until_draining(axum::serve(listener, router).into_future())
            .await;
    });
    (url, shutdown)
}

#[tokio::test]
async fn a_response_that_is_no_json_is_a_file() {
    let (url, _server) = serve().await;
    let answer = async |path: &str| {
        let fleet = Fleet::new().await;
        let handler = Http::new(&HttpSpec::new(format!("{url}{path}"))).unwrap();
        let report = report(&fleet, handler).await;
        (fleet, report)
    };
    let (fleet, report) = answer("/png").await;
    assert_eq!(names(&report), ["naïve.png"]);
    let artifact = &report.artifacts[0];
    assert_eq!(
        (artifact.bytes, &*artifact.media_type),
        (200 * 65_536, "image/png")
    );
    assert!(bytes(&fleet, artifact).await == vec![7; 200 * 65_536]);
    let Verdict::Done(Output::Inline(output)) = &report.verdict else {
        panic!("{:?}", report.verdict)
    };
    let output: serde_json::Value = output.to().unwrap();
    assert_eq!(
        output,
        serde_json::json!({"artifact": {
            "name": "naïve.png", "bytes": 200 * 65_536, "media_type": "image/png", "sha256": artifact.sha256,
        }})
    );
    let (fleet, report) = answer("/html").await;
    assert_eq!(names(&report), ["body.txt"]);
    assert_eq!(bytes(&fleet, &report.artifacts[0]).await, b"<html>");
    let (_, report) = answer("/long").await;
    assert_eq!(report.artifacts[0].bytes, (1 << 20) + 12);
    // As before there were files.
    for (path, output) in [("/number", "1.50"), ("/blank", "null")] {
        let (_, report) = answer(path).await;
        let output = Output::Inline(Json::parse(output).unwrap());
        assert_eq!(
            (&report.verdict, &report.artifacts[..]),
            (&Verdict::Done(output), &[][..])
        );
    }
    let (_, report) = answer("/cut").await;
    error(&report, ItemErrorKind::Unreachable);
}

#[tokio::test]
async fn a_response_that_is_a_file_has_a_limit() {
    let (url, _server) = serve().await;
    let fleet = Fleet::new().await;
    let handler = Http::new(&HttpSpec {
        max_artifact_bytes: Some(1 << 20),
        ..HttpSpec::new(format!("{url}/png"))
    });
    let report = report(&fleet, handler.unwrap()).await;
    let message = error(&report, ItemErrorKind::Output);
    assert!(message.contains("1048576 bytes"), "{message}");
}

/// Whoever completes an item is told where its files belong.
#[tokio::test]
async fn the_prefix_comes_with_the_callback() {
    let (fleet, dir) = (Fleet::new().await, tempfile::tempdir().unwrap());
    let mut spec = shell(
        dir.path(),
        "printf %s \"$FLOTILLA_ARTIFACTS_PREFIX\" > prefix; exit 75",
    );
    spec.waiting_exit_code = Some(75);
    let batch = BatchId(uuid::Uuid::from_u128(7));
    let item_prefix = format!("exports/{}/{batch}/0/", Space::default());
    let mut message = item(7, 0, "files", "1");
    message.callback = Some("http://x/v1/callbacks/abc".into());
    let exec = Arc::new(Exec::new(&spec).unwrap());
    let waits = reports(&fleet, exec, vec![message.clone()]).await.remove(0);
    assert_eq!(waits.verdict, Verdict::Waiting(Waiting::default()));
    let prefix = std::fs::read_to_string(dir.path().join("prefix")).unwrap();
    assert!(
        prefix.starts_with(&item_prefix) && prefix.ends_with('/'),
        "{prefix}"
    );
    assert!(prefix.len() > item_prefix.len());

    let (url, _server) = serve().await;
    let fleet = Fleet::new().await;
    let http = Arc::new(Http::new(&HttpSpec::new(format!("{url}/later"))).unwrap());
    let report = reports(&fleet, http, vec![message]).await.remove(0);
    let told = bytes(&fleet, &report.artifacts[0]).await;
    assert!(String::from_utf8(told).unwrap().starts_with(&item_prefix));
}

/// The handler's work is not lost because the storage is away for a while.
#[tokio::test]
async fn files_wait_for_the_storage() {
    let (mut fleet, dir) = (Fleet::new().await, tempfile::tempdir().unwrap());
    let flaky = Arc::new(Flaky::new(3));
    fleet.objects = Objects::new(Arc::clone(&flaky) as Arc<dyn object_store::ObjectStore>);
    let script = r#"cd "$FLOTILLA_ARTIFACTS"; echo x > x; echo y > y; echo 1 >> "$OLDPWD/runs"; echo 1"#;
    let report = report(&fleet, exec(dir.path(), script)).await;
    assert_eq!((names(&report), flaky.left()), (vec!["x", "y"], 0));
    assert_eq!(bytes(&fleet, &report.artifacts[0]).await, b"x\n");
    let runs = std::fs::read_to_string(dir.path().join("runs")).unwrap();
    assert_eq!(runs, "1\n", "the command was not run again");
}

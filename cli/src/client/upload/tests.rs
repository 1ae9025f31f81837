use std::io::Read;
use std::path::PathBuf;
use std::sync::Mutex;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde_json::json;
use tokio_util::io::StreamReader;

use super::*;

fn options() -> Options {
    Options::of("resize")
        .set("name", Some("a \"b\" }"))
        .set("priority", Some(-3))
        .set("concurrency", None::<u32>)
        .set("failure_threshold", Some(json!({"percent": 5})))
}

#[test]
fn an_array_is_wrapped_into_a_request() {
    let options = options();
    let (query, before, after) = frame(Format::Json, &options).unwrap();
    let whole: Value = serde_json::from_str(&format!("{before}[1, 2]{after}")).unwrap();
    assert_eq!(
        whole,
        json!({
            "job_type": "resize", "name": "a \"b\" }", "priority": -3, "failure_threshold": {"percent": 5},
            "items": [1, 2],
        })
    );
    assert!(query.is_empty());
    let nothing = Options::default();
    let (_, before, after) = frame(Format::Json, &nothing).unwrap();
    assert_eq!(format!("{before}[1]{after}"), r#"{"items":[1]}"#);
}

#[test]
fn lines_and_rows_go_as_they_are() {
    let options = options();
    let (mut query, before, after) = frame(Format::Csv, &options).unwrap();
    assert!(before.is_empty() && after.is_empty());
    query.sort();
    assert_eq!(
        query,
        [
            ("failure_threshold", r#"{"percent":5}"#.to_owned()),
            ("job_type", "resize".to_owned()),
            ("name", "a \"b\" }".to_owned()),
            ("priority", "-3".to_owned()),
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn an_upload_that_moves_is_not_given_up() {
    let sent = Sent::default();
    let moving = sent.clone();
    let moves = async move {
        for _ in 0..20 {
            tokio::time::sleep(IDLE_TIMEOUT / 2).await;
            moving.count(&Bytes::from_static(b"x"));
        }
    };
    tokio::select! {
        () = stalled(&sent) => panic!("given up"),
        () = moves => {}
    }
    stalled(&sent).await;
}

/// What the server got: its query, some headers, and its body.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Got {
    query: String,
    media_type: String,
    coding: Option<String>,
    body: Vec<u8>,
}

type Log = Arc<Mutex<Vec<Got>>>;

/// What the server answers to one upload after the other; to all that come later, what it answered last.
#[derive(Debug, Clone)]
enum Answer {
    Document(StatusCode, Value),
    /// The connection breaks.
    Nothing,
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        match self {
            Self::Document(status, document) => (status, axum::Json(document)).into_response(),
            Self::Nothing => {
                let broken = stream::iter([Err::<Bytes, _>(io::Error::other("gone"))]);
                Body::from_stream(broken).into_response()
            }
        }
    }
}

fn about(request: &Request) -> Got {
    let header = |name: &str| Some(request.headers().get(name)?.to_str().ok()?.to_owned());
    Got {
        query: request.uri().query().unwrap_or_default().to_owned(),
        media_type: header("content-type").unwrap_or_default(),
        coding: header("content-encoding"),
        body: Vec::new(),
    }
}

async fn take(State((log, answers)): State<(Log, Vec<Answer>)>, request: Request) -> Response {
    let mut got = about(&request);
    got.body = to_bytes(request.into_body(), 1 << 20).await.unwrap().to_vec();
    let turn = {
        let mut log = log.lock().unwrap();
        log.push(got);
        log.len().min(answers.len())
    };
    answers[turn - 1].clone().into_response()
}

/// Runs `work` beside a server that answers like this, and says what the server got.
async fn beside<T>(answers: Vec<Answer>, work: impl AsyncFnOnce(Client) -> T) -> (T, Vec<Got>) {
    crate::install_tls();
    let log = Log::default();
    let offset = get(async || axum::Json(json!({"producer": "cli", "offset": 7})));
    let router = Router::new()
        .route("/v1/batches", post(take))
        .route("/v1/batches/b/items", post(take))
        .route("/v1/batches/b/producers/cli", offset)
        .with_state((Arc::clone(&log), answers));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let client = Client::new(base.parse().unwrap(), None).unwrap();
    let done = tokio::select! {
        done = work(client) => done,
        _ = async { axum::serve(listener, router).await } => unreachable!("it serves until it is dropped"),
    };
    let got = log.lock().unwrap().clone();
    (done, got)
}

fn refused(status: StatusCode, slug: &str) -> Answer {
    let kind = format!("/problems/{slug}");
    Answer::Document(
        status,
        json!({"type": kind, "title": slug, "detail": format!("it is {slug}")}),
    )
}

/// Long enough for any machine.
const LONG: Duration = Duration::from_secs(300);

/// Appends a file of `text` in the way that goes on, and answers what it said on the way.
async fn append(
    (name, text): (&str, &[u8]),
    patience: Duration,
    answers: Vec<Answer>,
) -> (Result<Reply>, Vec<String>, Vec<Got>) {
    let pause = Duration::from_millis(1);
    let patience = Patience::new(patience, (pause, pause));
    let folder = tempfile::tempdir().unwrap();
    let path: PathBuf = folder.path().join(name);
    std::fs::write(&path, text).unwrap();
    let content = Content {
        packing: Packing::of_name(&path),
        ..Content::of(Format::of_name(&path)).with("on_invalid", Some("skip"))
    };
    let file = InputFile::look(&path).await.unwrap().unwrap();
    let said = Mutex::new(Vec::new());
    let (done, got) = beside(answers, async |client| {
        let upload = Resumable {
            client: &client,
            batch: "b",
            producer: "cli",
            file: &file,
            content: &content,
            sent: &Sent::default(),
        };
        upload
            .run(patience, |text| said.lock().unwrap().push(text.to_owned()))
            .await
    })
    .await;
    (done, said.into_inner().unwrap(), got)
}

#[tokio::test]
async fn an_upload_that_breaks_begins_again_until_it_is_through() {
    let fine = Answer::Document(StatusCode::OK, json!({"appended": 2, "total": 2}));
    let (done, said, got) = append(
        ("a.ndjson", b"1\n2\n"),
        LONG,
        vec![
            refused(StatusCode::SERVICE_UNAVAILABLE, "unavailable"),
            Answer::Nothing,
            refused(StatusCode::CONFLICT, "append-in-progress"),
            fine,
        ],
    )
    .await;
    assert_eq!(done.unwrap().to::<Value>().unwrap()["appended"], 2);
    let whole = Got {
        query: "producer=cli&offset=0&on_invalid=skip".to_owned(),
        media_type: "application/x-ndjson".to_owned(),
        coding: None,
        body: b"1\n2\n".to_vec(),
    };
    assert_eq!(got, vec![whole; 4]);
    assert_eq!(said.len(), 3);
    assert_eq!(
        said[0],
        "it is unavailable; the server has 7 items; trying again in 1 ms"
    );
}

#[tokio::test]
async fn what_is_refused_is_not_sent_again() {
    for (status, slug) in [
        (StatusCode::BAD_REQUEST, "invalid-json"),
        (StatusCode::NOT_FOUND, "unknown-batch"),
        (StatusCode::CONFLICT, "conflict"),
    ] {
        let (done, said, got) = append(("a.csv", b"a\n1\n"), LONG, vec![refused(status, slug)]).await;
        assert_eq!(done.unwrap_err().to_string(), format!("it is {slug}"));
        assert!(said.is_empty() && got.len() == 1, "{said:?}");
    }
}

#[tokio::test]
async fn an_upload_that_always_breaks_is_given_up() {
    let (done, said, got) = append(
        ("a.csv", b"a\n1\n"),
        Duration::from_millis(20),
        vec![Answer::Nothing],
    )
    .await;
    assert!(done.unwrap_err().is::<Unreachable>());
    assert!(got.len() > 1 && said.len() == got.len() - 1, "{said:?}");
}

#[tokio::test]
async fn a_file_that_is_packed_is_sent_as_it_is() {
    let fine = Answer::Document(StatusCode::OK, json!({}));
    let packed = zstd::encode_all(&b"a\n1\n"[..], 1).unwrap();
    let (done, _, got) = append(("a.tsv.zst", &packed), LONG, vec![fine]).await;
    done.unwrap();
    let [got] = got.as_slice() else {
        panic!("{got:?}");
    };
    assert_eq!(got.media_type, "text/tab-separated-values");
    assert_eq!((got.coding.as_deref(), &got.body), (Some("zstd"), &packed));
}

#[tokio::test]
async fn an_array_that_is_packed_is_wrapped_too() {
    let (gzip, zstd) = (Packing::Gzip, Packing::Zstd);
    for packing in [Packing::None, gzip, zstd] {
        let array = packing.pack("[1, 2]".to_owned()).unwrap();
        let content = Content {
            packing,
            ..Content::of(Format::Json).with("dry_run", Some("true"))
        };
        let fine = Answer::Document(StatusCode::OK, json!({}));
        let (done, got) = beside(vec![fine], async |client| {
            let body = io::Cursor::new(array);
            client
                .submit(body, &content, &Options::of("echo"), &Sent::default())
                .await
        })
        .await;
        done.unwrap();
        let mut text = Vec::new();
        match packing {
            Packing::None => text.clone_from(&got[0].body),
            Packing::Gzip => {
                let mut decoder = flate2::read::MultiGzDecoder::new(&got[0].body[..]);
                decoder.read_to_end(&mut text).unwrap();
            }
            Packing::Zstd => text = zstd::decode_all(&got[0].body[..]).unwrap(),
        }
        let whole: Value = serde_json::from_slice(&text).unwrap();
        assert_eq!(whole, json!({"job_type": "echo", "items": [1, 2]}));
        assert_eq!(got[0].query, "dry_run=true");
    }
}

#[tokio::test]
async fn a_batch_is_opened_without_items() {
    let fine = Answer::Document(StatusCode::ACCEPTED, json!({}));
    let options = Options::of("echo").set("start", Some("auto"));
    let (done, got) = beside(vec![fine], async |client| client.open(&options).await).await;
    done.unwrap();
    assert_eq!(
        (got[0].query.as_str(), got[0].body.len()),
        ("job_type=echo&start=open", 0)
    );
}

#[tokio::test]
async fn a_file_that_cannot_be_read_is_not_the_servers_fault() {
    let (sent, content) = (Sent::default(), Content::of(Format::Ndjson));
    let fine = Answer::Document(StatusCode::OK, json!({}));
    let (done, _) = beside(vec![fine], async |client| {
        let broken = stream::iter([
            Ok(Bytes::from_static(b"1\n")),
            Err(io::Error::other("a bad disk")),
        ]);
        client
            .submit(StreamReader::new(broken), &content, &Options::default(), &sent)
            .await
    })
    .await;
    assert_eq!(done.unwrap_err().to_string(), "can't read the items: a bad disk");
}

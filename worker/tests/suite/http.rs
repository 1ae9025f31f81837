//! The `http` handler against a real server.

use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Path;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Redirect};
use axum::routing::post;
use bytes::Bytes;
use flotilla_core::job_type::HttpSpec;
use flotilla_core::message::{Verdict, Waiting};
use flotilla_core::outcome::{ItemErrorKind, Output};
use flotilla_core::{Shutdown, Tasks};
use flotilla_worker::handlers::Http;
use futures_util::stream;
use tokio::net::TcpListener;

use crate::support::{PATIENCE, failure, judge, message, run, run_within};

/// A server on a free port, which stops with the test.
async fn serve() -> (String, Shutdown) {
    // Another test of this process may have been first.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let router = Router::new()
        .route("/mirror", post(mirror))
        .route("/empty", post(async || StatusCode::NO_CONTENT))
        .route(
            "/no-json",
            post(async || ([(header::CONTENT_TYPE, "application/json")], "<html>")),
        )
        .route(
            "/busy",
            post(async || {
                (
                    StatusCode::SERVICE_UNAVAILABLE,
                    format!(" busy {}", "é".repeat(500)),
                )
            }),
        )
        .route(
            "/status/{code}",
            post(async |Path(code): Path<u16>| {
                (
                    StatusCode::from_u16(code).unwrap(),
                    [(header::RETRY_AFTER, "7")],
                    "{}",
                )
            }),
        )
        .route(
            "/later",
            post(async || {
                let dates = [
                    (header::DATE, "Sun, 06 Nov 1994 08:49:37 GMT"),
                    (header::RETRY_AFTER, "Sun, 06 Nov 1994 08:51:37 GMT"),
                ];
                (StatusCode::TOO_MANY_REQUESTS, dates)
            }),
        )
        .route("/silent", post(async || StatusCode::IM_A_TEAPOT))
        .route("/elsewhere", post(async || Redirect::temporary("/mirror")))
        .route(
            "/slow",
            post(async || tokio::time::sleep(Duration::from_secs(60)).await),
        )
        .route("/endless", post(async || endless(StatusCode::OK)))
        .route(
            "/endless-refusal",
            post(async || endless(StatusCode::BAD_GATEWAY)),
        )
        .route(
            "/broken",
            post(async || Body::from_stream(stream::iter([Ok("[1,"), Err("cut")]))),
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

/// What it was sent: chosen headers, and the body.
async fn mirror(headers: HeaderMap, body: String) -> impl IntoResponse {
    let header = |name: &str| {
        headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .map(str::to_owned)
    };
    let seen: Vec<_> = [
        "content-type",
        "idempotency-key",
        "x-flotilla-batch",
        "x-flotilla-index",
        "x-flotilla-attempt",
        "x-flotilla-max-attempts",
        "x-flotilla-callback",
        "traceparent",
        "authorization",
    ]
    .map(header)
    .into();
    axum::Json(serde_json::json!({ "headers": seen, "body": body }))
}

fn endless(status: StatusCode) -> impl IntoResponse {
    let chunks = stream::repeat_with(|| Ok::<_, String>(Bytes::from_static(&[b'1'; 4096])));
    (
        status,
        [(header::CONTENT_TYPE, "application/json")],
        Body::from_stream(chunks),
    )
}

async fn handler(path: &str) -> (Http, Shutdown) {
    let (url, server) = serve().await;
    let mut spec = HttpSpec::new(format!("{url}{path}"));
    spec.headers.insert("Authorization".into(), "Bearer t".into());
    spec.headers.insert("Idempotency-Key".into(), "not yours".into());
    (Http::new(&spec).unwrap(), server)
}

#[tokio::test]
async fn the_item_is_posted_with_its_identity() {
    let (handler, _server) = handler("/mirror").await;
    let input = r#"{ "n": 1.50 }"#;
    let mut item = message(12, input, PATIENCE);
    item.callback = Some("http://x/v1/callbacks/abc".into());
    let Verdict::Done(Output::Inline(output)) = judge(&handler, &item).await else {
        panic!("no output");
    };
    let seen: serde_json::Value = output.to().unwrap();
    assert_eq!(seen["body"], input);
    assert_eq!(
        seen["headers"],
        serde_json::json!([
            "application/json",
            "00000000-0000-0000-0000-000000000007:12",
            "00000000-0000-0000-0000-000000000007",
            "12",
            "2",
            "3",
            "http://x/v1/callbacks/abc",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "Bearer t"
        ])
    );
}

#[tokio::test]
async fn an_empty_answer_is_null_and_no_json_where_it_was_promised_an_error() {
    assert_eq!(run(&handler("/empty").await.0, "1").await.unwrap(), "null");
    let message = failure(
        run(&handler("/no-json").await.0, "1").await,
        ItemErrorKind::Output,
    );
    assert!(
        message.starts_with("HTTP 200, but the body is not JSON"),
        "{message}"
    );
}

#[tokio::test]
async fn a_refusal_is_shown() {
    let message = failure(run(&handler("/busy").await.0, "1").await, ItemErrorKind::Handler);
    assert!(message.starts_with("HTTP 503: busy éé"), "{message}");
    assert_eq!(message.chars().count(), "HTTP 503: ".len() + 200);
    let message = failure(
        run(&handler("/silent").await.0, "1").await,
        ItemErrorKind::Handler,
    );
    assert_eq!(message, "HTTP 418: I'm a teapot");
    let message = failure(
        run(&handler("/elsewhere").await.0, "1").await,
        ItemErrorKind::Handler,
    );
    assert_eq!(message, "HTTP 307: redirects are not followed");
    let message = failure(
        run(&handler("/endless-refusal").await.0, "1").await,
        ItemErrorKind::Handler,
    );
    assert!(message.starts_with("HTTP 502: 111"), "{message}");
}

#[tokio::test]
async fn a_status_says_whether_another_attempt_may_help() {
    let (url, _server) = serve().await;
    let answer = async |path: &str| {
        let handler = Http::new(&HttpSpec::new(format!("{url}{path}"))).unwrap();
        judge(&handler, &message(0, "1", PATIENCE)).await
    };
    for code in [408, 425, 429, 500, 502, 503, 504, 599] {
        let verdict = answer(&format!("/status/{code}")).await;
        assert!(
            matches!(
                &verdict,
                Verdict::Retry {
                    after_ms: Some(7_000),
                    ..
                }
            ),
            "{code}: {verdict:?}"
        );
    }
    for code in [301, 307, 400, 401, 404, 409, 410, 413, 422] {
        let verdict = answer(&format!("/status/{code}")).await;
        assert!(matches!(verdict, Verdict::Fail(_)), "{code}: {verdict:?}");
    }
    assert!(matches!(
        answer("/later").await,
        Verdict::Retry {
            after_ms: Some(120_000),
            ..
        }
    ));
    assert!(matches!(
        answer("/broken").await,
        Verdict::Retry { after_ms: None, .. }
    ));
    assert!(matches!(answer("/endless").await, Verdict::Fail(_)));
}

#[tokio::test]
async fn an_accepted_item_waits_where_it_can_be_called_back() {
    let (handler, _server) = handler("/status/202").await;
    let mut item = message(0, "1", PATIENCE);
    assert!(matches!(judge(&handler, &item).await, Verdict::Done(_)));
    item.callback = Some("http://x".into());
    assert_eq!(judge(&handler, &item).await, Verdict::Waiting(Waiting::default()));
}

#[tokio::test]
async fn bodies_are_bounded() {
    let (handler, _server) = handler("/endless").await;
    let message = failure(run(&handler, "1").await, ItemErrorKind::Output);
    assert!(message.contains("1048576 bytes"), "{message}");
}

#[tokio::test]
async fn a_slow_answer_is_cut_off() {
    let (handler, _server) = handler("/slow").await;
    let answer = run_within(&handler, "1", Duration::from_millis(300)).await;
    assert_eq!(failure(answer, ItemErrorKind::Timeout), "took longer than 300ms");
}

#[tokio::test]
async fn connections_that_fail_are_told_apart() {
    let (handler, _server) = handler("/broken").await;
    let message = failure(run(&handler, "1").await, ItemErrorKind::Unreachable);
    assert!(message.contains("connection broke"), "{message}");

    let free = TcpListener::bind("127.0.0.1:0")
        .await
        .unwrap()
        .local_addr()
        .unwrap();
    let nobody = Http::new(&HttpSpec::new(format!(
        "http://user:hunter2@{free}/x?token=secret"
    )))
    .unwrap();
    let message = failure(run(&nobody, "1").await, ItemErrorKind::Unreachable);
    assert!(
        message.starts_with(&format!("can't connect to http://{free}/x: ")),
        "{message}"
    );
    assert!(message.contains("refused"), "{message}");
    assert!(
        !message.contains("hunter2") && !message.contains("secret"),
        "{message}"
    );
}

#[tokio::test]
async fn senseless_settings_are_refused() {
    let (_url, _server) = serve().await;
    let refused = |name: &str, value: &str| {
        let mut spec = HttpSpec::new("http://localhost".into());
        spec.headers.insert(name.into(), value.into());
        Http::new(&spec).unwrap_err()
    };
    assert!(refused("a b", "x").contains("\"a b\" is not the name"));
    let message = refused("x-token", "hunter2\n");
    assert!(
        message.contains("x-token") && !message.contains("hunter2"),
        "{message}"
    );
}

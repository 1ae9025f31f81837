//! One trace shows an item from the request to its outcome, over every process.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::routing::post;
use flotilla_tests::{Sandbox, eventually};

use crate::fleet::{Fleet, Size};

const PATIENCE: Duration = Duration::from_secs(60);
const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

/// The request carries a trace; spans of the API, the publisher, the worker and the scheduler join it.
#[tokio::test]
async fn a_trace_crosses_every_process() {
    let sandbox = Sandbox::new().await;
    let exports: Arc<Mutex<Vec<Bytes>>> = Arc::default();
    let collector = collector(Arc::clone(&exports)).await;
    let env = [("FLOTILLA_OTLP_ENDPOINT", collector)];
    let size = Size {
        apis: 1,
        workers: 1,
        schedulers: 1,
    };
    let fleet = Fleet::start(&sandbox, size, "", &env).await;
    let answer = flotilla_tests::http_client()
        .post(format!("{}/v1/batches?job_type=echo", fleet.client().server))
        .header("content-type", "application/x-ndjson")
        .header("traceparent", format!("00-{TRACE}-00f067aa0ba902b7-01"))
        .body("{\"n\":1}\n")
        .send()
        .await
        .unwrap();
    let batch: serde_json::Value = answer.json().await.unwrap();
    fleet
        .client()
        .result(batch["id"].as_str().unwrap(), PATIENCE)
        .await;

    let id: Vec<u8> = (0..32)
        .step_by(2)
        .map(|at| u8::from_str_radix(&TRACE[at..at + 2], 16).unwrap())
        .collect();
    eventually("spans of every role in the trace", PATIENCE, || async {
        let exports = exports.lock().unwrap();
        let names: BTreeSet<&str> = exports.iter().flat_map(|export| spans_of(export, &id)).collect();
        ["publish", "item", "record"]
            .iter()
            .all(|name| names.contains(name))
            .then_some(())
    })
    .await;
}

/// An OTLP/HTTP receiver that keeps what it gets.
async fn collector(exports: Arc<Mutex<Vec<Bytes>>>) -> String {
    let app = Router::new().route(
        "/v1/traces",
        post(move |body: Bytes| async move {
            exports.lock().unwrap().push(body);
        }),
    );
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    #[expect(clippy::disallowed_methods, reason = "ends with the test")]
    tokio::spawn(async move { axum::serve(listener, app).await });
    format!("http://{address}")
}

/// The names of spans that belong to `trace`, out of an encoded `ExportTraceServiceRequest`. In a span the trace id is
/// field 1 (16 bytes) and the name is field 5, so between the two there are only the span's own and its parent's ids and
/// the trace state.
fn spans_of<'a>(export: &'a [u8], trace: &'a [u8]) -> impl Iterator<Item = &'a str> {
    let starts = export
        .windows(18)
        .enumerate()
        .filter(move |(_, window)| window[..2] == [0x0a, 16] && window[2..] == *trace);
    starts.filter_map(|(start, _)| name_after(&export[start..]))
}

/// Reads fields until the name.
fn name_after(span: &[u8]) -> Option<&str> {
    let mut rest = span;
    loop {
        let (&[key, length], tail) = rest.split_first_chunk::<2>()?;
        let (value, after) = tail.split_at_checked(length.into())?;
        match key {
            0x2a => return std::str::from_utf8(value).ok(),
            0x0a | 0x12 | 0x1a | 0x22 => rest = after,
            // flags, fixed32: one byte of key and four of value.
            0x85 => rest = rest.get(6..)?,
            _ => return None,
        }
    }
}

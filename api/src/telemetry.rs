//! One span and one log line per request: what was asked, how it went, how long it took. Never a query or a body.

use std::time::Duration;

use axum::extract::{MatchedPath, Request};
use axum::response::Response;
use flotilla_core::Propagator;
use tracing::field::Empty;
use tracing::{Span, info_span};

use crate::problem::{Problem, RequestId};

/// The span of a request, part of the trace that it came with.
pub(crate) fn span(trace: &dyn Propagator, request: &Request) -> Span {
    let route = request
        .extensions()
        .get::<MatchedPath>()
        .map_or("-", MatchedPath::as_str);
    let id = request.extensions().get::<RequestId>();
    let id = id.and_then(|RequestId(id)| id.to_str().ok()).unwrap_or("-");
    let span = info_span!(
        "request",
        otel.name = format!("{} {route}", request.method()),
        otel.kind = "server",
        http.request.method = %request.method(),
        http.route = route,
        http.response.status_code = Empty,
        request_id = id,
    );
    let incoming = request
        .headers()
        .get("traceparent")
        .and_then(|value| value.to_str().ok());
    if let Some(incoming) = incoming {
        trace.attach(&span, incoming);
    }
    span
}

/// The line at the end of a request. Probes that are fine are not worth one.
pub(crate) fn log(response: &Response, latency: Duration, span: &Span) {
    let status = response.status().as_u16();
    span.record("http.response.status_code", status);
    let latency_ms = latency.as_secs_f64() * 1_000.0;
    let problem = response
        .extensions()
        .get::<Problem>()
        .map_or("", |problem| problem.kind().slug());
    match status {
        500.. => tracing::error!(status, latency_ms, problem, "answered"),
        400.. => tracing::info!(status, latency_ms, problem, "answered"),
        _ if response.extensions().get::<Probe>().is_some() => {
            tracing::trace!(status, latency_ms, "answered");
        }
        _ => tracing::info!(status, latency_ms, "answered"),
    }
}

/// Marks the response to a probe.
#[derive(Clone, Copy)]
pub(crate) struct Probe;

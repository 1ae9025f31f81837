//! Logs and traces.
//!
//! Logs go to stderr: lines for people on a terminal, JSON lines in a pipe. Traces go to an OTLP collector over HTTP
//! where one is configured. Neither ever contains payloads or credentials: what is logged are ids, counts and errors.

use std::io::IsTerminal;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use flotilla_core::trace::{NoPropagation, Propagator};
use opentelemetry::KeyValue;
use opentelemetry::propagation::TextMapPropagator;
use opentelemetry::trace::{TraceContextExt, TracerProvider};
use opentelemetry_otlp::{SpanExporter, WithExportConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, Registry};
use url::Url;

use crate::settings::TelemetrySettings;

/// How long a collector may take to answer, and the last spans to leave.
const EXPORT_TIMEOUT: Duration = Duration::from_secs(5);

/// What a process says about itself. Dropping it sends what is left.
pub(crate) struct Telemetry {
    provider: Option<SdkTracerProvider>,
}

impl Telemetry {
    /// Starts it for the process. `role` is part of every trace; `filter` is the log's, where none is set.
    pub(crate) fn start(settings: &TelemetrySettings, role: &'static str, filter: &str) -> Result<Self> {
        let provider = match &settings.traces {
            Some(endpoint) => Some(provider(endpoint, role)?),
            None => None,
        };
        let traces = provider.as_ref().map(|provider| {
            tracing_opentelemetry::layer()
                .with_tracer(provider.tracer("flotilla"))
                .with_filter(tracing_subscriber::filter::LevelFilter::INFO)
        });
        tracing_subscriber::registry()
            .with(log(settings.log.as_deref().unwrap_or(filter))?)
            .with(traces)
            .try_init()
            .context("logging was started twice")?;
        Ok(Self { provider })
    }

    /// The hook through which the services continue traces.
    pub(crate) fn propagator(&self) -> Arc<dyn Propagator> {
        match self.provider {
            Some(_) => Arc::new(W3c(TraceContextPropagator::new())),
            None => Arc::new(NoPropagation),
        }
    }
}

impl Drop for Telemetry {
    fn drop(&mut self) {
        if let Some(Err(error)) = self
            .provider
            .as_ref()
            .map(|p| p.shutdown_with_timeout(EXPORT_TIMEOUT))
        {
            tracing::warn!(%error, "the last traces may be lost");
        }
    }
}

type BoxedLayer = Box<dyn Layer<Registry> + Send + Sync>;

/// What is logged. Not what lapin says unless somebody asks for it by name: it shows messages, and those have inputs.
fn chosen(filter: &str) -> Result<EnvFilter> {
    EnvFilter::try_new(format!("lapin=off,{filter}")).context("the log filter")
}

fn log(filter: &str) -> Result<BoxedLayer> {
    let filter = chosen(filter)?;
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    Ok(if std::io::stderr().is_terminal() {
        lines.with_target(false).with_filter(filter).boxed()
    } else {
        lines
            .json()
            .flatten_event(true)
            .with_current_span(false)
            .with_filter(filter)
            .boxed()
    })
}

fn provider(endpoint: &Url, role: &'static str) -> Result<SdkTracerProvider> {
    let exporter = SpanExporter::builder()
        .with_http()
        .with_endpoint(endpoint.as_str())
        .with_timeout(EXPORT_TIMEOUT)
        .build()
        .context("otlp_endpoint")?;
    let resource = Resource::builder()
        .with_service_name("flotilla")
        .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
        .with_attribute(KeyValue::new("flotilla.role", role))
        .build();
    Ok(SdkTracerProvider::builder()
        .with_batch_exporter(exporter)
        .with_resource(resource)
        .build())
}

/// W3C Trace Context, between the headers of messages and the spans of `tracing`.
struct W3c(TraceContextPropagator);

/// The name of the header.
const TRACEPARENT: &str = "traceparent";

impl Propagator for W3c {
    fn attach(&self, span: &Span, traceparent: &str) {
        let carrier = Header(Some(traceparent.to_owned()));
        let context = self.0.extract(&carrier);
        if context.span().span_context().is_valid() {
            // Fails only where the span is disabled or has begun: then there is nothing to attach to.
            let _ = span.set_parent(context);
        }
    }

    fn current(&self, span: &Span) -> Option<String> {
        let mut carrier = Header(None);
        self.0.inject_context(&span.context(), &mut carrier);
        carrier.0
    }
}

/// A carrier with one header.
struct Header(Option<String>);

impl opentelemetry::propagation::Extractor for Header {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.as_deref().filter(|_| key == TRACEPARENT)
    }

    fn keys(&self) -> Vec<&str> {
        vec![TRACEPARENT]
    }
}

impl opentelemetry::propagation::Injector for Header {
    fn set(&mut self, key: &str, value: String) {
        if key == TRACEPARENT && !value.is_empty() {
            self.0 = Some(value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_logged_for_nobody_who_does_not_ask_for_them() {
        let chosen = |filter| chosen(filter).unwrap().to_string();
        assert!(chosen("debug").contains("lapin=off"));
        assert!(chosen("warn,lapin=debug").contains("lapin=debug"));
        assert!(!chosen("warn,lapin=debug").contains("lapin=off"));
    }

    #[test]
    fn a_trace_goes_on_through_a_span() {
        let provider = SdkTracerProvider::builder().build();
        let layer = tracing_opentelemetry::layer().with_tracer(provider.tracer("test"));
        let _guard = tracing::subscriber::set_default(tracing_subscriber::registry().with(layer));
        let propagator = W3c(TraceContextPropagator::new());
        let span = tracing::info_span!("hop");
        propagator.attach(&span, "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01");
        let next = propagator.current(&span).unwrap();
        assert!(
            next.starts_with("00-4bf92f3577b34da6a3ce929d0e0e4736-"),
            "the same trace: {next}"
        );
        assert!(!next.contains("00f067aa0ba902b7"), "another span: {next}");
    }

    #[test]
    fn rubbish_is_no_trace() {
        let propagator = W3c(TraceContextPropagator::new());
        propagator.attach(&Span::none(), "rubbish");
        assert_eq!(propagator.current(&Span::none()), None);
    }
}

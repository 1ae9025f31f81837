//! The hook through which W3C trace contexts enter and leave spans.
//!
//! A trace crosses every hop of an item: the request that created the batch, the publisher, the worker, the handler,
//! the scheduler. The services only know this trait; the binary links it to OpenTelemetry where traces are exported.

use tracing::Span;

/// Connects spans of `tracing` with traces of other processes.
pub trait Propagator: Send + Sync {
    /// True where spans become traces. Where they don't, it is not worth having one for each item.
    fn is_on(&self) -> bool {
        true
    }

    /// Makes `span` a part of the trace that `traceparent` (a W3C header) names. Text that is no such header is ignored.
    fn attach(&self, span: &Span, traceparent: &str);

    /// The W3C `traceparent` header that continues the trace of `span`, where it has one.
    fn current(&self, span: &Span) -> Option<String>;

    /// [`attach`](Self::attach) and [`current`](Self::current) for a hop that may or may not be traced: continues
    /// `incoming` in `span` and answers what to pass on. Without tracing of its own a hop passes `incoming` on
    /// unchanged, as the W3C recommendation asks, so that it does not cut the traces of others.
    fn carry(&self, span: &Span, incoming: Option<&str>) -> Option<String> {
        if let Some(traceparent) = incoming {
            self.attach(span, traceparent);
        }
        self.current(span).or_else(|| incoming.map(str::to_owned))
    }
}

/// Where traces are not exported.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoPropagation;

impl Propagator for NoPropagation {
    fn is_on(&self) -> bool {
        false
    }

    fn attach(&self, _span: &Span, _traceparent: &str) {}

    fn current(&self, _span: &Span) -> Option<String> {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_untraced_hop_does_not_cut_the_trace() {
        let incoming = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        let carried = NoPropagation.carry(&Span::none(), Some(incoming));
        assert_eq!(carried.as_deref(), Some(incoming));
        assert_eq!(NoPropagation.carry(&Span::none(), None), None);
    }
}

//! `log`, `otlp_endpoint`: what a process says about itself.

use url::Url;

use super::Invalid;

/// What an operator wants to know. Libraries whose steps our adapters tell in their own words are quieter.
pub(crate) const DEFAULT_LOG: &str = "info,lapin=off,refinery_core=warn";

/// What a process says about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TelemetrySettings {
    /// The filter of the log, in the syntax of `tracing-subscriber`, where it is set.
    pub(crate) log: Option<String>,
    /// Where traces go, if anywhere: the whole URL.
    pub(crate) traces: Option<Url>,
}

impl TelemetrySettings {
    pub(super) fn validate(log: Option<String>, endpoint: Option<&str>) -> Result<Self, Invalid> {
        if let Some(Err(error)) = log.as_ref().map(tracing_subscriber::EnvFilter::try_new) {
            let reason = format!("{error}; expected something like {DEFAULT_LOG:?}");
            return Err(Invalid::new("log", reason));
        }
        Ok(Self {
            log,
            traces: endpoint.map(traces_url).transpose()?,
        })
    }
}

/// The endpoint is a base, as in `OTEL_EXPORTER_OTLP_ENDPOINT`: traces have their own path under it.
fn traces_url(endpoint: &str) -> Result<Url, Invalid> {
    let example = "expected something like \"http://127.0.0.1:4318\"";
    let url: Url = endpoint
        .parse()
        .map_err(|error| Invalid::new("otlp_endpoint", format!("not a URL ({error}); {example}")))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(Invalid::new(
            "otlp_endpoint",
            format!("must be an http:// or https:// URL; {example}"),
        ));
    }
    let path = url.path().trim_end_matches('/');
    let mut traces = url.clone();
    if !path.ends_with("/v1/traces") {
        traces.set_path(&format!("{path}/v1/traces"));
    }
    Ok(traces)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn traces_have_their_path_under_the_endpoint() {
        let url = |text| traces_url(text).unwrap().to_string();
        assert_eq!(url("http://otel:4318"), "http://otel:4318/v1/traces");
        assert_eq!(url("http://otel:4318/x/"), "http://otel:4318/x/v1/traces");
        assert_eq!(url("http://otel:4318/v1/traces"), "http://otel:4318/v1/traces");
        assert!(traces_url("otel:4318").is_err());
    }

    #[test]
    fn a_filter_that_does_not_parse_is_refused() {
        assert!(TelemetrySettings::validate(Some("info,x=loud".into()), None).is_err());
    }
}

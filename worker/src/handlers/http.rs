//! `http`: posts the item to a URL.

use std::time::Duration;

use async_trait::async_trait;
use flotilla_core::job_type::HttpSpec;
use flotilla_core::message::{Verdict, Waiting};
use flotilla_core::outcome::{ItemError, ItemErrorKind};
use flotilla_core::{Clock, Json, SystemClock};
use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Client, Response, StatusCode, Url, redirect};

use super::retry_after::retry_after;
use super::{Handler, failed, http_body, verdict};
use crate::item::ItemContext;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Many servers close a connection that is idle for 5 seconds: never post into one that is about to go.
const IDLE_TIMEOUT: Duration = Duration::from_secs(4);
/// Characters of a refusal's body that are shown.
const SHOWN: usize = 200;

/// Posts each item as JSON. 2xx with a JSON body is its output, with any other body a file of the item; 202 promises a callback where there can be one. What
/// servers say when they are busy or broken is tried again, everything else fails the item.
///
/// Redirects are not followed, because a POST that is redirected becomes a GET without its body. Proxies in the
/// environment are not used: handlers live next to their workers.
#[derive(Debug)]
pub struct Http {
    client: Client,
    url: Url,
    /// For messages: without credentials and query.
    shown: String,
    headers: HeaderMap,
    max_response: u64,
    max_artifact: Option<u64>,
}

impl Http {
    /// The endpoint that `spec` describes. A TLS provider must be installed in this process.
    ///
    /// # Errors
    /// What is wrong with the URL or a header.
    pub fn new(spec: &HttpSpec) -> Result<Self, String> {
        if rustls::crypto::CryptoProvider::get_default().is_none() {
            return Err("no TLS provider is installed in this process".into());
        }
        let url: Url = spec
            .url
            .parse()
            .map_err(|error| format!("handler.url is not valid: {error}"))?;
        let client = Client::builder()
            .redirect(redirect::Policy::none())
            .no_proxy()
            .connect_timeout(CONNECT_TIMEOUT)
            .pool_idle_timeout(IDLE_TIMEOUT)
            .user_agent(concat!("flotilla/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| format!("can't make an HTTP client: {}", chain(&error)))?;
        Ok(Self {
            client,
            shown: format!("{}{}", url.origin().ascii_serialization(), url.path()),
            url,
            headers: headers(spec)?,
            max_response: spec.max_response_bytes,
            max_artifact: spec.max_artifact_bytes,
        })
    }

    async fn run(&self, item: &ItemContext, input: &Json) -> Result<Json, Verdict> {
        let request = self
            .client
            .post(self.url.clone())
            .headers(self.headers.clone())
            .headers(identity(item))
            .body(input.as_str().to_owned());
        let sent = request.send().await.map_err(|error| self.unreachable(error));
        let response = sent.map_err(failed)?;
        let status = response.status();
        if status == StatusCode::ACCEPTED && item.callback.is_some() {
            // Read, so that the connection can be used again; whatever it says, the server has the item.
            let _ = self.body(response).await;
            Err(Verdict::Waiting(Waiting::default()))
        } else if status.is_success() {
            self.output(item, response).await.map_err(failed)
        } else {
            let after = retry_after(response.headers(), SystemClock.now());
            let error = self.refusal(response).await;
            Err(if may_pass(status) {
                let after_ms = after.map(|after| u64::try_from(after.as_millis()).unwrap_or(u64::MAX));
                Verdict::Retry { error, after_ms }
            } else {
                Verdict::Fail(error)
            })
        }
    }

    /// What the body of a success amounts to. What says that it is JSON has to be; what says nothing that can be relied
    /// on is JSON where it can be read as that; everything else is a file.
    async fn output(&self, item: &ItemContext, mut response: Response) -> Result<Json, ItemError> {
        let status = response.status();
        let kind = http_body::Kind::of(response.headers());
        if kind == http_body::Kind::Json {
            let body = self.body(response).await?;
            return read_output(status, body);
        }
        let mut held = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| self.unreachable(error))? {
            held.extend_from_slice(&chunk);
            let may_be_output = match kind {
                http_body::Kind::Unclear => {
                    held.len() as u64 <= self.max_response && http_body::may_be_json(&held)
                }
                _ => http_body::is_blank(&held) && held.len() as u64 <= self.max_response,
            };
            if !may_be_output {
                return self.file(item, response, &held).await;
            }
        }
        if http_body::is_blank(&held) {
            return Ok(Json::null());
        }
        let parsed = std::str::from_utf8(&held)
            .ok()
            .and_then(|text| Json::parse(text).ok());
        match parsed {
            Some(output) if kind == http_body::Kind::Unclear => Ok(output),
            _ => self.file(item, response, &held).await,
        }
    }

    /// Keeps a response of which `held` was read as a file of the item.
    async fn file(&self, item: &ItemContext, mut response: Response, held: &[u8]) -> Result<Json, ItemError> {
        item.limit_artifacts(self.max_artifact);
        let (name, media_type) = http_body::described(response.headers());
        let mut file = item.create_artifact(&name, Some(&media_type))?;
        file.write(held).await?;
        loop {
            match response.chunk().await {
                Ok(Some(chunk)) => file.write(&chunk).await?,
                Ok(None) => break,
                Err(error) => {
                    file.abort().await;
                    return Err(self.unreachable(error));
                }
            }
        }
        let artifact = file.finish().await?;
        http_body::output(&artifact)
    }

    /// The whole body, as long as it is not too long.
    async fn body(&self, mut response: Response) -> Result<Vec<u8>, ItemError> {
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| self.unreachable(error))? {
            if (body.len() + chunk.len()) as u64 > self.max_response {
                let message = format!(
                    "the response is longer than {} bytes (max_response_bytes)",
                    self.max_response
                );
                return Err(ItemError::new(ItemErrorKind::Output, message));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }

    /// `HTTP 503: ` and how its body begins.
    async fn refusal(&self, mut response: Response) -> ItemError {
        let mut body = Vec::new();
        // Four bytes hold any character.
        while body.len() < SHOWN * 4
            && let Ok(Some(chunk)) = response.chunk().await
        {
            let room = SHOWN * 4 - body.len();
            body.extend_from_slice(&chunk[..chunk.len().min(room)]);
        }
        let status = response.status();
        let text = String::from_utf8_lossy(&body);
        let text: String = text.trim().chars().take(SHOWN).collect();
        let said = match (text.as_str(), status.canonical_reason()) {
            ("", _) if status.is_redirection() => "redirects are not followed",
            ("", reason) => reason.unwrap_or("no reason given"),
            (text, _) => text,
        };
        ItemError::new(
            ItemErrorKind::Handler,
            format!("HTTP {}: {said}", status.as_u16()),
        )
    }

    fn unreachable(&self, error: reqwest::Error) -> ItemError {
        let what = if error.is_connect() {
            "can't connect to"
        } else {
            "the connection broke during the request to"
        };
        let message = format!("{what} {}: {}", self.shown, chain(&error.without_url()));
        ItemError::new(ItemErrorKind::Unreachable, message)
    }
}

#[async_trait]
impl Handler for Http {
    async fn handle(&self, item: &ItemContext, input: &Json) -> Verdict {
        verdict(self.run(item, input).await)
    }
}

/// True where the same request may succeed later.
fn may_pass(status: StatusCode) -> bool {
    status.is_server_error()
        || matches!(
            status,
            StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_EARLY | StatusCode::TOO_MANY_REQUESTS
        )
}

/// What is sent with every item: the configured headers win over ours.
fn headers(spec: &HttpSpec) -> Result<HeaderMap, String> {
    let json = HeaderValue::from_static("application/json");
    let mut headers = HeaderMap::from_iter([(CONTENT_TYPE, json.clone()), (ACCEPT, json)]);
    for (name, value) in &spec.headers {
        let parsed: HeaderName = name
            .parse()
            .map_err(|_| format!("handler.headers: {name:?} is not the name of a header"))?;
        let mut value = HeaderValue::from_str(value).map_err(|_| {
            format!("handler.headers.{name}: the value contains characters that no header can")
        })?;
        // It may well be a token: keep it out of logs.
        value.set_sensitive(true);
        headers.insert(parsed, value);
    }
    Ok(headers)
}

/// Which item it is: these can't be configured away.
fn identity(item: &ItemContext) -> HeaderMap {
    let pairs = [
        ("idempotency-key", Some(item.key())),
        ("x-flotilla-batch", Some(item.batch.to_string())),
        ("x-flotilla-index", Some(item.index.to_string())),
        ("x-flotilla-attempt", Some(item.attempt.to_string())),
        ("x-flotilla-max-attempts", Some(item.max_attempts.to_string())),
        ("x-flotilla-callback", item.callback.clone()),
        ("x-flotilla-artifacts-prefix", item.artifacts_prefix()),
        ("traceparent", item.traceparent.clone()),
    ];
    // Only a malformed trace context of somebody else can fail to be a header's value.
    let header = |(name, value): (&'static str, Option<String>)| {
        Some((HeaderName::from_static(name), HeaderValue::try_from(value?).ok()?))
    };
    pairs.into_iter().filter_map(header).collect()
}

fn read_output(status: StatusCode, body: Vec<u8>) -> Result<Json, ItemError> {
    if body.iter().all(u8::is_ascii_whitespace) {
        return Ok(Json::null());
    }
    Json::parse_bytes(body).map_err(|error| {
        let message = format!("HTTP {}, but the body is not JSON: {error}", status.as_u16());
        ItemError::new(ItemErrorKind::Output, message)
    })
}

/// An error and its causes, without repetitions.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        let said = next.to_string();
        if !text.contains(&said) {
            text = format!("{text}: {said}");
        }
        cause = next.source();
    }
    text
}

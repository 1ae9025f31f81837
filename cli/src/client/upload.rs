//! Uploads: a file goes to the server as it is read, whatever its size.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context, Result};
use bytes::Bytes;
use clap::ValueEnum;
use futures_util::stream::BoxStream;
use futures_util::{StreamExt, TryStreamExt, stream};
use reqwest::header::{CONTENT_TYPE, HeaderName};
use serde_json::{Map, Value};
use tokio::io::AsyncRead;
use tokio_util::io::ReaderStream;
use url::Url;

use super::problem::Unreachable;
use super::{Client, Reply, lines};

/// An upload of which nothing moves for so long is given up.
const IDLE_TIMEOUT: Duration = Duration::from_secs(120);
/// What is read at once.
const PIECE: usize = 64 << 10;

/// What a file consists of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// A row of names, then an item per row
    Csv,
    /// An item per line, each a JSON value
    Ndjson,
    /// One array of items
    Json,
    /// An item per line, each a plain text
    Text,
}

impl Format {
    /// The format that a file name says; lines of JSON where it says none.
    pub(crate) fn of_name(path: &Path) -> Self {
        let extension = path.extension().and_then(|extension| extension.to_str());
        match extension.map(str::to_ascii_lowercase).as_deref() {
            Some("csv") => Self::Csv,
            Some("json") => Self::Json,
            Some("txt" | "list") => Self::Text,
            _ => Self::Ndjson,
        }
    }

    /// Its name in the flags.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Ndjson => "ndjson",
            Self::Json => "json",
            Self::Text => "text",
        }
    }
}

/// What a batch is to do.
#[derive(Debug, Clone, Default)]
pub(crate) struct Options {
    /// The fields of the request, as the API calls them.
    pub(crate) fields: Map<String, Value>,
    /// The same key is the same batch.
    pub(crate) idempotency_key: Option<String>,
}

impl Options {
    /// A batch of a job type.
    pub(crate) fn of(job_type: &str) -> Self {
        Self::default().set("job_type", Some(job_type))
    }

    /// Says something where there is something to say.
    #[must_use]
    pub(crate) fn set(mut self, field: &str, value: Option<impl Into<Value>>) -> Self {
        if let Some(value) = value {
            self.fields.insert(field.to_owned(), value.into());
        }
        self
    }
}

/// How many bytes of an upload have left.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sent(Arc<AtomicU64>);

impl Sent {
    /// So many.
    pub(crate) fn bytes(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Client {
    /// Creates a batch from what `body` reads.
    pub(crate) async fn submit(
        &self,
        body: impl AsyncRead + Send + 'static,
        format: Format,
        options: &Options,
        sent: &Sent,
    ) -> Result<Reply> {
        let url = self.url(&["v1", "batches"], &[])?;
        self.upload(url, body, format, options, sent).await
    }

    /// Appends what `body` reads to a batch that is open, and has `first` items where that is said.
    pub(crate) async fn append(
        &self,
        id: &str,
        body: impl AsyncRead + Send + 'static,
        format: Format,
        first: Option<u32>,
        sent: &Sent,
    ) -> Result<Reply> {
        let path = ["v1", "batches", id, "items"];
        let query = first.map(|first| ("first", first.to_string()));
        let (url, nothing) = (self.url(&path, query.as_slice())?, Options::default());
        self.upload(url, body, format, &nothing, sent).await
    }

    async fn upload(
        &self,
        mut url: Url,
        body: impl AsyncRead + Send + 'static,
        format: Format,
        options: &Options,
        sent: &Sent,
    ) -> Result<Reply> {
        let (query, before, after) = frame(format, options)?;
        let counter = Arc::clone(&sent.0);
        let pieces = pieces(body, format).inspect_ok(move |piece| {
            counter.fetch_add(piece.len() as u64, Ordering::Relaxed);
        });
        let text = |text: String| stream::once(async move { Ok(text.into()) });
        let body = reqwest::Body::wrap_stream(text(before).chain(pieces).chain(text(after)));
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        let mut request = self
            .http
            .post(url)
            .header(CONTENT_TYPE, media_type(format))
            .body(body);
        if let Some(key) = &options.idempotency_key {
            request = request.header(HeaderName::from_static("idempotency-key"), key);
        }
        tokio::select! {
            reply = self.send(request) => reply,
            () = stalled(sent) => Err(Unreachable::silent(&self.base, "the upload stands still").into()),
        }
    }
}

fn pieces(body: impl AsyncRead + Send + 'static, format: Format) -> BoxStream<'static, io::Result<Bytes>> {
    match format {
        Format::Text => lines::as_json(body).boxed(),
        _ => ReaderStream::with_capacity(body, PIECE).boxed(),
    }
}

fn media_type(format: Format) -> &'static str {
    match format {
        Format::Csv => "text/csv",
        Format::Ndjson | Format::Text => "application/x-ndjson",
        Format::Json => "application/json",
    }
}

type Query<'a> = Vec<(&'a str, String)>;

/// Where the options go: into the query, or, with JSON, around the array.
fn frame(format: Format, options: &Options) -> Result<(Query<'_>, String, String)> {
    if format == Format::Json {
        let object = serde_json::to_string(&options.fields).context("the options")?;
        let open = object.strip_suffix('}').unwrap_or(&object);
        let comma = if options.fields.is_empty() { "" } else { "," };
        return Ok((Vec::new(), format!("{open}{comma}\"items\":"), "}".to_owned()));
    }
    // Texts as they are, everything else as JSON.
    let query = options.fields.iter().map(|(name, value)| match value {
        Value::String(text) => (name.as_str(), text.clone()),
        other => (name.as_str(), other.to_string()),
    });
    Ok((query.collect(), String::new(), String::new()))
}

/// Ends when nothing was sent for too long.
async fn stalled(sent: &Sent) {
    let mut before = None;
    while before != Some(sent.bytes()) {
        before = Some(sent.bytes());
        tokio::time::sleep(IDLE_TIMEOUT).await;
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

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

    #[test]
    fn the_name_says_the_format() {
        let format = |name: &str| Format::of_name(Path::new(name));
        assert_eq!(format("a.CSV"), Format::Csv);
        assert_eq!(format("a.json"), Format::Json);
        assert_eq!(format("a.jsonl"), Format::Ndjson);
        assert_eq!(format("urls.txt"), Format::Text);
        assert_eq!(format("a"), Format::Ndjson);
    }

    #[tokio::test(start_paused = true)]
    async fn an_upload_that_moves_is_not_given_up() {
        let sent = Sent::default();
        let moving = sent.clone();
        let moves = async move {
            for _ in 0..20 {
                tokio::time::sleep(IDLE_TIMEOUT / 2).await;
                moving.0.fetch_add(1, Ordering::Relaxed);
            }
        };
        tokio::select! {
            () = stalled(&sent) => panic!("given up"),
            () = moves => {}
        }
        stalled(&sent).await;
    }
}

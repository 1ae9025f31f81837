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
use serde_json::json;
use tokio::io::AsyncRead;
use tokio_util::io::ReaderStream;

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
    /// Who handles its items.
    pub(crate) job_type: String,
    /// A name for people.
    pub(crate) name: Option<String>,
    /// Higher goes first.
    pub(crate) priority: Option<i16>,
    /// The most items in flight.
    pub(crate) concurrency: Option<u32>,
    /// The same key is the same batch.
    pub(crate) idempotency_key: Option<String>,
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
        let (query, before, after) = frame(format, options)?;
        let counter = Arc::clone(&sent.0);
        let pieces = pieces(body, format).inspect_ok(move |piece| {
            counter.fetch_add(piece.len() as u64, Ordering::Relaxed);
        });
        let text = |text: String| stream::once(async move { Ok(text.into()) });
        let body = reqwest::Body::wrap_stream(text(before).chain(pieces).chain(text(after)));
        let mut request = self
            .http
            .post(self.url(&["v1", "batches"], &query)?)
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

type Query = Vec<(&'static str, String)>;

/// Where the options go: into the query, or, with JSON, around the array.
fn frame(format: Format, options: &Options) -> Result<(Query, String, String)> {
    if format == Format::Json {
        let mut fields = json!({"job_type": options.job_type});
        for (name, value) in [
            ("name", options.name.as_ref().map(|name| json!(name))),
            ("priority", options.priority.map(|number| json!(number))),
            ("concurrency", options.concurrency.map(|number| json!(number))),
        ] {
            if let Some(value) = value {
                fields[name] = value;
            }
        }
        let object = serde_json::to_string(&fields).context("the options")?;
        let open = object.strip_suffix('}').unwrap_or(&object);
        return Ok((Vec::new(), format!("{open},\"items\":"), "}".to_owned()));
    }
    let mut query = vec![("job_type", options.job_type.clone())];
    query.extend(options.name.clone().map(|name| ("name", name)));
    query.extend(options.priority.map(|number| ("priority", number.to_string())));
    query.extend(
        options
            .concurrency
            .map(|number| ("concurrency", number.to_string())),
    );
    Ok((query, String::new(), String::new()))
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
    use super::*;

    fn options() -> Options {
        Options {
            job_type: "resize".into(),
            name: Some("a \"b\" }".into()),
            priority: Some(-3),
            ..Options::default()
        }
    }

    #[test]
    fn an_array_is_wrapped_into_a_request() {
        let (query, before, after) = frame(Format::Json, &options()).unwrap();
        let whole: serde_json::Value = serde_json::from_str(&format!("{before}[1, 2]{after}")).unwrap();
        assert_eq!(
            whole,
            json!({"job_type": "resize", "name": "a \"b\" }", "priority": -3, "items": [1, 2]})
        );
        assert!(query.is_empty());
    }

    #[test]
    fn lines_and_rows_go_as_they_are() {
        let (query, before, after) = frame(Format::Csv, &options()).unwrap();
        assert!(before.is_empty() && after.is_empty());
        assert_eq!(query.len(), 3);
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

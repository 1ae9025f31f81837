//! Uploads: a file goes to the server as it is read, whatever its size.

mod content;
mod file;
mod lines;
mod resumable;
#[cfg(test)]
mod tests;

pub(crate) use content::{Content, Format, Packing};
pub(crate) use file::InputFile;
pub(crate) use resumable::{Patience, Resumable, insist};

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context, Result};
use bytes::Bytes;
use futures_util::stream::BoxStream;
use futures_util::{StreamExt, TryStreamExt, stream};
use reqwest::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderName};
use serde_json::{Map, Value};
use tokio::io::AsyncRead;
use tokio_util::io::ReaderStream;
use url::Url;

use super::problem::Unreachable;
use super::{Client, Reply};

/// An upload of which nothing moves for so long is given up.
const IDLE_TIMEOUT: Duration = Duration::from_secs(120);
/// What is read at once.
const PIECE: usize = 64 << 10;

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

/// How much of an upload has left.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sent(Arc<Counters>);

#[derive(Debug, Default)]
struct Counters {
    bytes: AtomicU64,
    unreadable: AtomicBool,
}

impl Sent {
    /// So many bytes.
    pub(crate) fn bytes(&self) -> u64 {
        self.0.bytes.load(Ordering::Relaxed)
    }

    /// From the beginning.
    fn restart(&self) {
        self.0.bytes.store(0, Ordering::Relaxed);
    }

    /// True where the upload broke on this side: it is the file that can't be read.
    fn is_unreadable(&self) -> bool {
        self.0.unreadable.load(Ordering::Relaxed)
    }

    fn count(&self, piece: &Bytes) {
        self.0.bytes.fetch_add(piece.len() as u64, Ordering::Relaxed);
    }
}

/// Where items are appended.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Place<'a> {
    /// Behind what is there.
    End,
    /// Where so many items are there.
    First(u32),
    /// Where this producer's items ended: it sends them from the first one on.
    Producer(&'a str),
}

impl Place<'_> {
    fn query(self) -> Vec<(&'static str, String)> {
        match self {
            Self::End => Vec::new(),
            Self::First(first) => vec![("first", first.to_string())],
            Self::Producer(name) => vec![("producer", name.to_owned()), ("offset", "0".to_owned())],
        }
    }
}

impl Client {
    /// Creates a batch from what `body` reads.
    pub(crate) async fn submit(
        &self,
        body: impl AsyncRead + Send + 'static,
        content: &Content,
        options: &Options,
        sent: &Sent,
    ) -> Result<Reply> {
        let url = self.url(&["v1", "batches"], &[])?;
        self.upload(url, body, content, options, sent).await
    }

    /// Creates a batch without items that takes some.
    pub(crate) async fn open(&self, options: &Options) -> Result<Reply> {
        let options = options.clone().set("start", Some("open"));
        let content = Content::of(Format::Ndjson);
        self.submit(tokio::io::empty(), &content, &options, &Sent::default())
            .await
    }

    /// Appends what `body` reads to a batch that is open.
    pub(crate) async fn append(
        &self,
        id: &str,
        body: impl AsyncRead + Send + 'static,
        content: &Content,
        place: Place<'_>,
        sent: &Sent,
    ) -> Result<Reply> {
        let path = ["v1", "batches", id, "items"];
        let url = self.url(&path, &place.query())?;
        self.upload(url, body, content, &Options::default(), sent).await
    }

    async fn upload(
        &self,
        mut url: Url,
        body: impl AsyncRead + Send + 'static,
        content: &Content,
        options: &Options,
        sent: &Sent,
    ) -> Result<Reply> {
        let (query, before, after) = frame(content.format, options)?;
        let query = query.into_iter().chain(content.parameters.iter().cloned());
        let query: Query<'_> = query.collect();
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        let (counted, broken) = (sent.clone(), sent.clone());
        let pieces = pieces(body, content.format)
            .inspect_ok(move |piece| counted.count(piece))
            .inspect_err(move |_| broken.0.unreadable.store(true, Ordering::Relaxed));
        let packing = content.packing;
        let text = |text: String| {
            let text = (!text.is_empty()).then(|| packing.pack(text));
            stream::iter(text)
        };
        let body = reqwest::Body::wrap_stream(text(before).chain(pieces).chain(text(after)));
        let mut request = self
            .http
            .post(url)
            .header(CONTENT_TYPE, content.media_type())
            .body(body);
        if let Some(coding) = packing.coding() {
            request = request.header(CONTENT_ENCODING, coding);
        }
        if let Some(key) = &options.idempotency_key {
            request = request.header(HeaderName::from_static("idempotency-key"), key);
        }
        let ended = tokio::select! {
            reply = self.send(request) => reply,
            () = stalled(sent) => Err(Unreachable::silent(&self.base, "the upload stands still").into()),
        };
        ended.map_err(|error| match error.downcast_ref::<Unreachable>() {
            Some(broken) if sent.is_unreadable() => {
                anyhow::anyhow!("can't read the items: {}", broken.reason())
            }
            _ => error,
        })
    }
}

fn pieces(body: impl AsyncRead + Send + 'static, format: Format) -> BoxStream<'static, io::Result<Bytes>> {
    match format {
        Format::Text => lines::as_json(body).boxed(),
        _ => ReaderStream::with_capacity(body, PIECE).boxed(),
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

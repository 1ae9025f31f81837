//! What a listener is sent: where a batch stands, as a whole.

use axum::extract::ws::Utf8Bytes;
use bytes::{BufMut, Bytes, BytesMut};
use flotilla_core::snapshot::Snapshot;
use flotilla_core::{BatchId, Space};
use jiff::Timestamp;
use serde::Serialize;

use crate::views::{ProgressView, ResultView};

/// Where a batch stands, ready to be sent to any number of listeners.
#[derive(Debug)]
pub(crate) struct Update {
    /// The batch.
    pub(crate) batch: BatchId,
    /// What it says.
    pub(super) news: News,
    /// When it was taken.
    pub(crate) at: Timestamp,
    /// A server-sent event.
    sse: Bytes,
    /// The JSON in it.
    json: Utf8Bytes,
}

/// What is new of a batch.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum News {
    /// It moves.
    Progress(Box<Snapshot>),
    /// It has ended.
    Complete(Box<Snapshot>),
    /// It was deleted.
    Deleted,
}

/// What the id of an event ends with that is the last of its batch.
pub(super) const LAST: &str = "-end";

const PROGRESS: &str = "batch_progress";
const COMPLETE: &str = "batch_job_complete";
const DELETED: &str = "batch_deleted";

/// The body of a message.
#[derive(Serialize)]
struct Message<B> {
    r#type: &'static str,
    batch: B,
    #[serde(skip_serializing_if = "Option::is_none")]
    result: Option<ResultView>,
}

/// A batch that does not exist any more.
#[derive(Serialize)]
struct Gone<'a> {
    id: String,
    space: &'a str,
}

impl Update {
    /// A batch moves.
    pub(super) fn progress(snapshot: Snapshot) -> Self {
        let subject = ProgressView::from(&snapshot);
        let encoded = encode(PROGRESS, snapshot.updated_at, subject, None);
        let (batch, at) = (snapshot.batch, snapshot.updated_at);
        Self::new(batch, at, News::Progress(Box::new(snapshot)), encoded)
    }

    /// A batch has ended, with this result.
    pub(super) fn complete(snapshot: Snapshot, result: Option<ResultView>) -> Self {
        let subject = ProgressView::from(&snapshot);
        let encoded = encode(COMPLETE, snapshot.updated_at, subject, result);
        let (batch, at) = (snapshot.batch, snapshot.updated_at);
        Self::new(batch, at, News::Complete(Box::new(snapshot)), encoded)
    }

    /// A batch was deleted.
    pub(super) fn deleted(batch: BatchId, space: &Space, at: Timestamp) -> Self {
        let subject = Gone {
            id: batch.to_string(),
            space: space.as_str(),
        };
        Self::new(batch, at, News::Deleted, encode(DELETED, at, subject, None))
    }

    fn new(batch: BatchId, at: Timestamp, news: News, (sse, json): (Bytes, Utf8Bytes)) -> Self {
        Self {
            batch,
            news,
            at,
            sse,
            json,
        }
    }

    /// True once the batch has ended or is gone.
    pub(crate) fn is_last(&self) -> bool {
        !matches!(self.news, News::Progress(_))
    }

    /// True where the batch is gone.
    pub(super) fn is_deletion(&self) -> bool {
        self.news == News::Deleted
    }

    /// As a server-sent event, its `id` the time in milliseconds, with [`LAST`] where nothing is to follow.
    pub(crate) fn sse(&self) -> Bytes {
        self.sse.clone()
    }

    /// As JSON.
    pub(crate) fn json(&self) -> Utf8Bytes {
        self.json.clone()
    }

    /// True where a listener that has `other` learns nothing new.
    pub(super) fn says_the_same_as(&self, other: &Self) -> bool {
        match (&self.news, &other.news) {
            (News::Progress(new), News::Progress(old)) | (News::Complete(new), News::Complete(old)) => {
                let mut old = old.clone();
                old.updated_at = new.updated_at;
                old == *new
            }
            (new, old) => new == old,
        }
    }

    /// True where `other` is of a later state of the batch.
    pub(super) fn is_older_than(&self, other: &Self) -> bool {
        match (&self.news, &other.news) {
            (News::Deleted, _) => false,
            (_, News::Deleted) => true,
            (News::Progress(new) | News::Complete(new), News::Progress(old) | News::Complete(old)) => {
                new.version < old.version
            }
        }
    }
}

/// The event, and the JSON in it, which is a part of the same bytes.
fn encode<B: Serialize>(
    name: &'static str,
    at: Timestamp,
    batch: B,
    result: Option<ResultView>,
) -> (Bytes, Utf8Bytes) {
    let message = Message {
        r#type: name,
        batch,
        result,
    };
    let mut buffer = BytesMut::with_capacity(1 << 10);
    let last = if name == PROGRESS { "" } else { LAST };
    let head = format!("event: {name}\nid: {}{last}\ndata: ", at.as_millisecond());
    buffer.put_slice(head.as_bytes());
    let start = buffer.len();
    let mut writer = buffer.writer();
    // Nothing in it can fail to be serialized.
    let _ = serde_json::to_writer(&mut writer, &message);
    let mut buffer = writer.into_inner();
    let end = buffer.len();
    buffer.put_slice(b"\n\n");
    let sse = buffer.freeze();
    // serde_json writes UTF-8.
    let json = Utf8Bytes::try_from(sse.slice(start..end)).unwrap_or_default();
    (sse, json)
}

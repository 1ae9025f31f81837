//! Server-sent events: the body of an answer that goes on.

use std::convert::Infallible;
use std::str::FromStr;
use std::time::Duration;

use axum::body::Body;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderName};
use axum::response::{IntoResponse, Response};
use bytes::{Bytes, BytesMut};
use flotilla_core::Shutdown;
use futures_util::stream;
use jiff::Timestamp;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::timeout;

use super::Listener;
use super::update::LAST;

/// A sign of life where nothing moves: proxies cut what is silent for long.
pub(crate) const HEARTBEAT: Duration = Duration::from_secs(15);
/// Proxies that gather what they pass on are asked not to (nginx).
const UNBUFFERED: HeaderName = HeaderName::from_static("x-accel-buffering");
/// What `EventSource` sends when it connects again.
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// When the stream ends by itself.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Until {
    /// Not before the client leaves or the server stops.
    #[default]
    Forever,
    /// After the first batch that has ended.
    Final,
}

impl FromStr for Until {
    type Err = ();
    fn from_str(text: &str) -> Result<Self, ()> {
        (text == "final").then_some(Self::Final).ok_or(())
    }
}

struct Going {
    listener: Listener,
    shutdown: Shutdown,
    until: Until,
    ended: bool,
    _seat: OwnedSemaphorePermit,
}

/// The last event that a client got, as its id says.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LastEvent {
    /// When it was so, in milliseconds.
    pub(super) at: Timestamp,
    /// It said that a batch has ended or is gone.
    pub(crate) is_last: bool,
}

impl LastEvent {
    /// What the client says. Whatever is no id is taken for none.
    pub(crate) fn of(headers: &HeaderMap) -> Option<Self> {
        let id = headers.get(LAST_EVENT_ID)?.to_str().ok()?.trim();
        let time = id.strip_suffix(LAST);
        Some(Self {
            at: Timestamp::from_millisecond(time.unwrap_or(id).parse().ok()?).ok()?,
            is_last: time.is_some(),
        })
    }
}

/// Everything that `listener` hears, as an answer. `seat` is held until it ends.
pub(crate) fn server_sent(
    listener: Listener,
    until: Until,
    shutdown: Shutdown,
    seat: OwnedSemaphorePermit,
) -> Response {
    let going = Going {
        listener,
        shutdown,
        until,
        ended: false,
        _seat: seat,
    };
    // A client that lost the connection tries again after so many milliseconds.
    let hello = stream::iter([Ok::<_, Infallible>(Bytes::from_static(b"retry: 2000\n\n"))]);
    let events = stream::unfold(going, |mut going| async move {
        let next = going.next().await?;
        Some((Ok(next), going))
    });
    let headers = [
        (CONTENT_TYPE, "text/event-stream"),
        (CACHE_CONTROL, "no-store"),
        (UNBUFFERED, "no"),
    ];
    let body = Body::from_stream(futures_util::StreamExt::chain(hello, events));
    (headers, body).into_response()
}

impl Going {
    async fn next(&mut self) -> Option<Bytes> {
        if self.ended {
            return None;
        }
        let heard = timeout(HEARTBEAT, self.listener.next());
        let Ok(updates) = self.shutdown.until_draining(heard).await? else {
            return Some(Bytes::from_static(b":\n\n"));
        };
        self.ended = self.until == Until::Final && updates.iter().any(|update| update.is_last());
        if let [update] = &updates[..] {
            return Some(update.sse());
        }
        let mut together = BytesMut::new();
        updates
            .iter()
            .for_each(|update| together.extend_from_slice(&update.sse()));
        Some(together.freeze())
    }
}

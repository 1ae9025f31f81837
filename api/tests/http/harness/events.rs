//! A client that listens.

use std::time::Duration;

use axum::body::{Body, BodyDataStream};
use axum::http::{Request, Response};
use futures_util::StreamExt;
use serde_json::Value;
use tokio::time::timeout;
use tower::ServiceExt;

use super::Api;

const PATIENCE: Duration = Duration::from_secs(20);

/// A stream of server-sent events.
pub(crate) struct Events {
    body: BodyDataStream,
    text: String,
}

/// One of them.
#[derive(Debug)]
pub(crate) struct Event {
    pub(crate) name: String,
    pub(crate) id: String,
    pub(crate) data: Value,
}

impl Event {
    pub(crate) fn batch(&self) -> &str {
        self.data["batch"]["id"].as_str().unwrap()
    }

    pub(crate) fn version(&self) -> u64 {
        self.data["batch"]["version"].as_u64().unwrap()
    }
}

impl Events {
    pub(crate) async fn open(api: &Api, path: &str) -> Self {
        Self::reopen(api, path, "").await
    }

    /// The same for a client that got an event with this id.
    pub(crate) async fn reopen(api: &Api, path: &str, last: &str) -> Self {
        let request = Request::get(path).header("last-event-id", last);
        let response = api
            .router
            .clone()
            .oneshot(request.body(Body::empty()).unwrap())
            .await
            .unwrap();
        Self::of(response)
    }

    fn of(response: Response<Body>) -> Self {
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Self {
            body: response.into_body().into_data_stream(),
            text: String::new(),
        }
    }

    /// The next event; `None` at the end.
    pub(crate) async fn next(&mut self) -> Option<Event> {
        timeout(PATIENCE, self.read()).await.expect("an event in time")
    }

    async fn read(&mut self) -> Option<Event> {
        loop {
            while let Some((block, rest)) = self.text.split_once("\n\n") {
                let event = parse(block);
                self.text = rest.to_owned();
                if event.is_some() {
                    return event;
                }
            }
            match self.body.next().await {
                Some(piece) => self.text.push_str(std::str::from_utf8(&piece.unwrap()).unwrap()),
                None => {
                    assert_eq!(self.text, "", "the stream ends between events");
                    return None;
                }
            }
        }
    }

    /// The first event of this name.
    pub(crate) async fn until(&mut self, name: &str) -> Event {
        loop {
            let event = self.next().await.expect("more events");
            if event.name == name {
                return event;
            }
        }
    }
}

/// An event, or nothing where the block has none.
fn parse(block: &str) -> Option<Event> {
    let field = |name: &str| {
        let mut lines = block.lines();
        lines
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
            .map(str::to_owned)
    };
    Some(Event {
        name: field("event")?,
        id: field("id").expect("an event has an id"),
        data: serde_json::from_str(&field("data").expect("an event has data")).expect("data is JSON"),
    })
}

//! The stream of what happens to batches.

use std::collections::VecDeque;
use std::time::Duration;

use anyhow::Result;
use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderName};
use reqwest::{Response, StatusCode};
use serde::Deserialize;

use super::Client;
use super::problem::{Problem, Unreachable};
use super::sse::Parser;
use super::view::BatchEvent;

const LAST_ID: HeaderName = HeaderName::from_static("last-event-id");
/// The server says something every 15 seconds. Where it does not, it is gone, or something in between is.
const SILENCE: Duration = Duration::from_secs(40);
/// How long it may take until a stream begins.
const OPENING: Duration = Duration::from_secs(15);

/// A stream that is open. Reading it may be given up on and begun again: nothing is lost.
pub(crate) struct Events {
    client: Client,
    response: Response,
    parser: Parser,
    ready: VecDeque<BatchEvent>,
}

#[derive(Deserialize)]
struct Data {
    batch: BatchEvent,
}

impl Client {
    /// Opens the stream of a batch, or that of the space. `last` is where another one broke.
    ///
    /// # Errors
    /// Where the server is not there, or has no such stream.
    pub(crate) async fn events(&self, batch: Option<&str>, last: Option<&str>) -> Result<Events> {
        let path = match batch {
            Some(id) => vec!["v1", "batches", id, "events"],
            None => vec!["v1", "events"],
        };
        let mut request = self
            .http
            .get(self.url(&path, &[])?)
            .header(ACCEPT, "text/event-stream");
        if let Some(last) = last.filter(|last| !last.is_empty()) {
            request = request.header(LAST_ID, last);
        }
        let answer = tokio::time::timeout(OPENING, request.send()).await;
        let answer = answer.map_err(|_| Unreachable::silent(&self.base, "it did not answer in time"))?;
        let response = answer.map_err(|error| self.unreachable(error))?;
        let status = response.status();
        if !status.is_success() {
            let text = response.text().await.unwrap_or_default();
            return Err(Problem::parse(status, &text).into());
        }
        let kind = response.headers().get(CONTENT_TYPE);
        if !kind.is_some_and(|kind| kind.as_bytes().starts_with(b"text/event-stream")) {
            return Err(Problem::parse(StatusCode::NOT_FOUND, "no stream of events").into());
        }
        Ok(Events {
            client: self.clone(),
            response,
            parser: Parser::default(),
            ready: VecDeque::new(),
        })
    }
}

impl Events {
    /// What happens next.
    ///
    /// # Errors
    /// Where the stream is over, for whatever reason.
    pub(crate) async fn next(&mut self) -> Result<BatchEvent> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Ok(event);
            }
            let base = &self.client.base;
            let chunk = tokio::time::timeout(SILENCE, self.response.chunk()).await;
            let chunk = chunk
                .map_err(|_| Unreachable::silent(base, "nothing came of it any more"))?
                .map_err(|error| self.client.unreachable(error))?
                .ok_or_else(|| Unreachable::silent(base, "it closed the stream"))?;
            // Kinds of events that are not known yet say something else.
            let events = self.parser.take(&chunk)?.into_iter();
            let known = events.filter_map(|event| serde_json::from_str::<Data>(&event.data).ok());
            self.ready.extend(known.map(|data| data.batch));
        }
    }

    /// Where to go on after a break.
    pub(crate) fn last_id(&self) -> Option<&str> {
        self.parser.last_id()
    }
}

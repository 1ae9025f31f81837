//! The connection that events come over.

use std::sync::Arc;

use flotilla_core::snapshot::Event;
use futures_util::StreamExt;
use redis::aio::PubSubSink;
use redis::{Client, Msg, RedisError, RedisResult};
use tokio::sync::{broadcast, watch};
use tokio::time::{sleep, timeout};

use crate::backoff::Backoff;
use crate::errors::silence;
use crate::keys::Keys;
use crate::options::Options;

/// Whether events arrive.
#[derive(Debug, Clone)]
pub(crate) enum State {
    /// The first connection is being made.
    Connecting,
    /// They do.
    Live,
    /// They don't, for this reason.
    Down(RedisError),
}

/// Listens to the events of all spaces, on one connection after the other, and hands them on.
pub(crate) struct Listener {
    pub(crate) client: Client,
    pub(crate) options: Options,
    pub(crate) backoff: Arc<Backoff>,
    pub(crate) keys: Keys,
    pub(crate) state: watch::Sender<State>,
    /// Without an event: some may be lost.
    pub(crate) events: broadcast::Sender<Option<Event>>,
}

impl Listener {
    /// Never ends on its own.
    pub(crate) async fn run(self) {
        let (mut failures, mut missed) = (0_u32, false);
        loop {
            let (lost, was_live) = match self.listen(missed).await {
                Ok(lost) => (lost, true),
                Err(refused) => (refused, false),
            };
            failures = if was_live { 1 } else { failures.saturating_add(1) };
            if was_live {
                tracing::info!(error = %lost, "the connection for events is lost; making a new one");
            }
            self.state.send_replace(State::Down(lost));
            // What is sent until there is another connection, nobody here hears.
            missed = true;
            sleep(self.backoff.pause(failures)).await;
        }
    }

    /// One connection: why it could not be made, or why it ended.
    async fn listen(&self, missed: bool) -> RedisResult<RedisError> {
        let connecting = self.client.get_async_pubsub();
        let connected = timeout(self.options.connect, connecting).await;
        let mut connection = connected.unwrap_or_else(|_| Err(silence(self.options.connect)))?;
        let subscribing = connection.psubscribe(self.keys.all_events());
        let subscribed = timeout(self.options.response, subscribing).await;
        subscribed.unwrap_or_else(|_| Err(silence(self.options.response)))?;
        if missed {
            let _ = self.events.send(None);
        }
        self.state.send_replace(State::Live);
        let (mut sink, mut messages) = connection.split();
        loop {
            tokio::select! {
                message = messages.next() => match message {
                    Some(message) => self.hand_on(&message),
                    None => return Ok(std::io::Error::from(std::io::ErrorKind::UnexpectedEof).into()),
                },
                lost = self.check(&mut sink) => return Ok(lost),
            }
        }
    }

    /// Asks a silent server for a sign of life, again and again; ends when there is none. A message that arrives drops
    /// this and is a sign of life itself.
    async fn check(&self, sink: &mut PubSubSink) -> RedisError {
        loop {
            sleep(self.options.silence).await;
            match timeout(self.options.response, sink.ping::<redis::Value>()).await {
                Ok(Ok(_)) => {}
                Ok(Err(error)) => return error,
                Err(_) => return silence(self.options.response),
            }
        }
    }

    /// Passes on what is an event of the space that its channel belongs to, and nothing else: anybody may publish.
    fn hand_on(&self, message: &Msg) {
        let event = serde_json::from_slice::<Event>(message.get_payload_bytes());
        let space = self.keys.space_of(message.get_channel_name());
        match (event, space) {
            (Ok(event), Some(space)) if event.space == space => {
                // An error means that nobody is subscribed.
                let _ = self.events.send(Some(event));
            }
            _ => tracing::debug!(
                channel = message.get_channel_name(),
                "ignored what is not an event of its space"
            ),
        }
    }
}

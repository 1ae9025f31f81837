//! A stream of events that comes back by itself, where the server has one.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use anyhow::Result;
use tokio::time::Instant;

use crate::client::Client;
use crate::client::events::Events;
use crate::client::problem::Problem;
use crate::client::view::BatchEvent;

/// The first pause after a stream that broke, and the longest.
const PAUSE: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(15));

/// What a link has to say.
#[derive(Debug)]
pub(super) enum Said {
    /// It is there, so whatever happens from now on will be told. What happened before may not have been.
    Opened,
    /// Something happened.
    Event(Box<BatchEvent>),
    /// It broke; another try follows.
    Broken,
}

type Opening = Pin<Box<dyn Future<Output = Result<Events>> + Send>>;

enum State {
    /// Nothing until then.
    Resting(Instant),
    Opening(Opening),
    Open(Box<Events>),
    /// The server has no such stream.
    Off,
}

/// The stream of a batch, or of the space. Waiting for it may be given up on at any time: it goes on where it was.
pub(super) struct Link {
    client: Client,
    batch: Option<String>,
    last: Option<String>,
    pause: Duration,
    state: State,
}

impl Link {
    /// Not open yet.
    pub(super) fn new(client: Client, batch: Option<String>) -> Self {
        Self {
            client,
            batch,
            last: None,
            pause: PAUSE.0,
            state: State::Resting(Instant::now()),
        }
    }

    /// True while whatever happens is told.
    pub(super) fn is_open(&self) -> bool {
        matches!(self.state, State::Open(_))
    }

    /// Waits for something to be said: for ever, where there is nothing to wait for.
    pub(super) async fn next(&mut self) -> Said {
        loop {
            match &mut self.state {
                State::Off => return std::future::pending().await,
                State::Resting(until) => {
                    tokio::time::sleep_until(*until).await;
                    self.state = State::Opening(self.open());
                }
                State::Opening(opening) => match opening.await {
                    Ok(events) => {
                        self.state = State::Open(Box::new(events));
                        return Said::Opened;
                    }
                    Err(error) if error.downcast_ref().is_some_and(Problem::is_missing) => {
                        self.state = State::Off;
                    }
                    Err(_) => self.rest(),
                },
                State::Open(events) => match events.next().await {
                    Ok(event) => {
                        self.pause = PAUSE.0;
                        return Said::Event(Box::new(event));
                    }
                    Err(_) => {
                        self.last = events.last_id().map(str::to_owned);
                        self.rest();
                        return Said::Broken;
                    }
                },
            }
        }
    }

    fn open(&self) -> Opening {
        let (client, batch, last) = (self.client.clone(), self.batch.clone(), self.last.clone());
        Box::pin(async move { client.events(batch.as_deref(), last.as_deref()).await })
    }

    fn rest(&mut self) {
        self.state = State::Resting(Instant::now() + self.pause);
        self.pause = (self.pause * 2).min(PAUSE.1);
    }
}

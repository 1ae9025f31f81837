//! Subscriptions: any number of them on one listening connection.

use std::sync::{Arc, Mutex, PoisonError};

use flotilla_core::Tasks;
use flotilla_core::ports::progress::{Heard, Scope};
use flotilla_core::snapshot::Event;
use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use redis::{Client, RedisError, RedisResult};
use tokio::sync::{broadcast, watch};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_stream::wrappers::BroadcastStream;

use crate::backoff::Backoff;
use crate::errors::silence;
use crate::keys::Keys;
use crate::listener::{Listener, State};
use crate::options::Options;

/// Events that a subscriber may be behind before it misses some.
const BUFFER: usize = 1024;

/// The listener, started by the first subscription: a process that only writes has no second connection.
pub(crate) struct Events {
    client: Client,
    options: Options,
    backoff: Arc<Backoff>,
    keys: Keys,
    tasks: Tasks,
    state: watch::Sender<State>,
    /// Without an event: some may be lost.
    events: broadcast::Sender<Option<Event>>,
    listening: Mutex<Option<JoinHandle<Option<()>>>>,
}

impl Events {
    pub(crate) fn new(
        client: Client,
        options: Options,
        backoff: Arc<Backoff>,
        keys: Keys,
        tasks: Tasks,
    ) -> Self {
        Self {
            client,
            options,
            backoff,
            keys,
            tasks,
            state: watch::Sender::new(State::Connecting),
            events: broadcast::Sender::new(BUFFER),
            listening: Mutex::default(),
        }
    }

    /// Events from now on: when this returns, the server sends them.
    pub(crate) async fn subscribe(self: Arc<Self>, scope: Scope) -> RedisResult<BoxStream<'static, Heard>> {
        let events = BroadcastStream::new(self.events.subscribe());
        self.start();
        self.live().await?;
        let stream = events.filter_map(move |event| {
            // The listener goes on for as long as there is a stream, whatever becomes of the adapter.
            let _listener = &self;
            // An error says how many events were missed, of whichever space; without one, it was the listener that did.
            let heard = event.ok().flatten();
            let heard = heard.map_or(Some(Heard::Missed), |event| scope.heard(event));
            std::future::ready(heard)
        });
        Ok(stream.boxed())
    }

    fn start(&self) {
        let mut listening = self.listening.lock().unwrap_or_else(PoisonError::into_inner);
        if listening.as_ref().is_some_and(|task| !task.is_finished()) {
            return;
        }
        let listener = Listener {
            client: self.client.clone(),
            options: self.options,
            backoff: Arc::clone(&self.backoff),
            keys: self.keys.clone(),
            state: self.state.clone(),
            events: self.events.clone(),
        };
        let shutdown = self.tasks.shutdown().clone();
        let listen = async move { shutdown.until_aborting(listener.run()).await.unwrap_or_default() };
        *listening = Some(self.tasks.spawn("redis events", listen));
    }

    /// Waits until events arrive, for as long as a call may take: a lost connection may be back in a moment.
    async fn live(&self) -> RedisResult<()> {
        let patience = self.options.call();
        let mut state = self.state.subscribe();
        let waiting = state.wait_for(|state| matches!(state, State::Live));
        if timeout(patience, waiting).await.is_ok() {
            return Ok(());
        }
        Err(match &*self.state.borrow() {
            State::Down(error) => RedisError::clone(error),
            State::Connecting | State::Live => silence(patience),
        })
    }
}

impl Drop for Events {
    fn drop(&mut self) {
        self.tasks.shutdown().abort();
    }
}

//! A connection that is opened again whenever it ends.

use std::sync::Arc;
use std::time::Duration;

use flotilla_core::{Error, Result, Shutdown, Tasks};
use futures_util::{Stream, StreamExt};
use lapin::{Connection, ConnectionProperties, Event};
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, timeout, timeout_at};

use crate::address::Address;
use crate::backoff::Backoff;
use crate::fault::Fault;
use crate::live::Live;
use crate::{ENGINE, Options};

/// How often to look at the state of a connection: not every end of one is an event.
const LOOK: Duration = Duration::from_secs(1);

/// Where a supervised connection stands.
#[derive(Debug, Clone)]
enum State {
    /// The first attempt is under way.
    Connecting,
    Up(Arc<Live>),
    Down(Fault),
    /// For good.
    Closed,
}

/// A handle to a supervised connection.
#[derive(Debug, Clone)]
pub(crate) struct Link {
    address: Address,
    state: watch::Receiver<State>,
}

/// What to do while there is no connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Patience {
    /// Report why, as soon as it is known.
    None,
    /// Wait for it, unless waiting alone can't help.
    UntilDeadline,
}

impl Link {
    /// Starts to connect, in the background. `name` is what the broker shows.
    pub(crate) fn open(address: Address, name: String, options: &Options, tasks: &Tasks) -> Self {
        let (sender, state) = watch::channel(State::Connecting);
        let supervisor = Supervisor {
            address: address.clone(),
            name,
            options: options.clone(),
            backoff: Backoff::new(options.max_pause),
            shutdown: tasks.shutdown().clone(),
            state: sender,
        };
        tasks.spawn("amqp connection", supervisor.run());
        Self { address, state }
    }

    /// Where it leads to.
    pub(crate) fn address(&self) -> &Address {
        &self.address
    }

    /// The open connection.
    pub(crate) async fn live(&self, deadline: Instant, patience: Patience) -> Result<Arc<Live>> {
        let mut state = self.state.clone();
        let settled = state.wait_for(|state| match state {
            State::Connecting => false,
            State::Up(live) => live.is_usable(),
            State::Down(fault) => patience == Patience::None || fault.is_misconfigured(),
            State::Closed => true,
        });
        let settled = timeout_at(deadline, settled)
            .await
            .map(|settled| settled.map(|state| state.clone()));
        match settled {
            Ok(Ok(State::Up(live))) => Ok(live),
            Ok(Ok(State::Down(fault))) => Err(fault.error()),
            Ok(_) => Err(Error::unavailable(ENGINE, "the connection was closed")),
            Err(_) => Err(self.why()),
        }
    }

    /// The open connection, however long it takes. `None` when there will be none.
    pub(crate) async fn eventually(&self) -> Option<Arc<Live>> {
        let mut state = self.state.clone();
        let settled = state.wait_for(|state| match state {
            State::Up(live) => live.is_usable(),
            State::Closed => true,
            State::Connecting | State::Down(_) => false,
        });
        match settled.await.as_deref() {
            Ok(State::Up(live)) => Some(Arc::clone(live)),
            _ => None,
        }
    }

    fn why(&self) -> Error {
        match &*self.state.borrow() {
            State::Down(fault) => fault.error(),
            _ => Error::unavailable(ENGINE, format!("no connection to {} in time", self.address)),
        }
    }
}

/// Keeps one connection open.
struct Supervisor {
    address: Address,
    name: String,
    options: Options,
    backoff: Backoff,
    shutdown: Shutdown,
    state: watch::Sender<State>,
}

impl Supervisor {
    async fn run(mut self) {
        let mut outage = false;
        let shutdown = self.shutdown.clone();
        while !shutdown.is_draining() {
            let Some(connected) = shutdown.until_draining(self.connect()).await else {
                break;
            };
            let fault = match connected {
                Ok(live) => {
                    tracing::info!(connection = self.name, address = %self.address, "connected to RabbitMQ");
                    outage = false;
                    self.hold(live).await
                }
                Err(fault) => fault,
            };
            // Once per outage: what it says does not get truer every five seconds.
            if outage {
                tracing::debug!(
                    connection = self.name,
                    fault = fault.message(),
                    "still no connection to RabbitMQ"
                );
            } else if !shutdown.is_draining() {
                tracing::warn!(
                    connection = self.name,
                    fault = fault.message(),
                    "no connection to RabbitMQ, trying again"
                );
                outage = true;
            }
            self.state.send_replace(State::Down(fault));
            shutdown.until_draining(sleep(self.backoff.pause())).await;
        }
        self.state.send_replace(State::Closed);
    }

    async fn connect(&self) -> Result<Arc<Live>, Fault> {
        let properties = ConnectionProperties::default().with_connection_name(self.name.clone().into());
        let connecting = Connection::connect_uri(self.address.uri(), properties);
        let waited = self.options.connect_timeout;
        match timeout(waited, connecting).await {
            Ok(Ok(connection)) => Ok(Arc::new(Live::new(connection, self.address.clone()))),
            Ok(Err(error)) => Err(Fault::connecting(&self.address, &error)),
            Err(_) => Err(Fault::no_handshake(&self.address, waited)),
        }
    }

    /// Lends the connection out until it ends.
    async fn hold(&mut self, live: Arc<Live>) -> Fault {
        let since = Instant::now();
        let events = live.connection().events_listener();
        self.state.send_replace(State::Up(Arc::clone(&live)));
        let end = {
            let watched = self.watch(&live, events);
            self.shutdown.until_draining(watched).await
        };
        // A connection that ends as soon as it is open is no success.
        if since.elapsed() > self.backoff.max() {
            self.backoff.reset();
        }
        match end {
            Some(fault) => {
                live.give_up();
                fault
            }
            None => {
                live.close().await;
                Fault::unavailable("the connection was closed")
            }
        }
    }

    /// Returns why the connection ended.
    async fn watch(&self, live: &Live, events: impl Stream<Item = Event>) -> Fault {
        let mut events = std::pin::pin!(events);
        let (mut look, mut probe) = (interval(LOOK), interval(self.options.probe_interval));
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        probe.reset();
        let mut last = None;
        while live.is_usable() {
            tokio::select! {
                event = events.next() => self.note(event, &mut last),
                _ = look.tick() => {}
                _ = probe.tick() => if !self.answers(live).await {
                    let waited = self.options.probe_timeout;
                    return Fault::unavailable(format!("{} is connected, but did not answer for {waited:?}", self.address));
                }
            }
        }
        let reason = last.map_or_else(|| "it was closed".to_owned(), |error| error.to_string());
        Fault::unavailable(format!("lost the connection to {}: {reason}", self.address))
    }

    fn note(&self, event: Option<Event>, last: &mut Option<lapin::Error>) {
        match event {
            Some(Event::ConnectionBlocked(reason)) => tracing::warn!(
                connection = self.name,
                reason,
                "RabbitMQ takes no messages until the alarm is over"
            ),
            Some(Event::ConnectionUnblocked) => {
                tracing::info!(connection = self.name, "RabbitMQ takes messages again");
            }
            Some(Event::Error(error)) => *last = Some(error),
            _ => {}
        }
    }

    /// Asks the broker for a channel. Not for a queue: one that has lost its majority must not cost the connection
    /// that all others are served by.
    async fn answers(&self, live: &Live) -> bool {
        if live.is_blocked() {
            return true;
        }
        let channel = timeout(self.options.probe_timeout, live.connection().create_channel()).await;
        match channel {
            Ok(Ok(channel)) => {
                // Frees its number without waiting for the answer.
                drop(channel);
                true
            }
            Ok(Err(_)) => live.is_usable(),
            Err(_) => live.is_blocked(),
        }
    }
}

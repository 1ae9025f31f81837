//! A connection that is opened again whenever it ends.

use std::fmt;
use std::sync::Arc;

use flotilla_core::{Error, Result, Shutdown, Tasks};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout, timeout_at};

use crate::address::Address;
use crate::backoff::Backoff;
use crate::fault::Fault;
use crate::{ENGINE, Options};

/// What a supervisor keeps open.
pub(crate) trait Connection: fmt::Debug + Send + Sync + Sized + 'static {
    /// What calls are made over, one at a time each.
    type Channel: fmt::Debug + Send;

    /// Opens one. `name` is what the broker shows.
    fn open(
        address: &Address,
        name: &str,
        options: &Options,
    ) -> impl Future<Output = Result<Self, Fault>> + Send;

    /// Where it leads to.
    fn address(&self) -> &Address;

    /// True until it ended or was given up.
    fn is_usable(&self) -> bool;

    /// Works for as long as it lasts, and answers why it ended.
    fn run(&self, name: &str, options: &Options) -> impl Future<Output = Fault> + Send;

    /// Nobody waits on it any more.
    fn give_up(&self);

    /// Ends when it was given up.
    fn gone(&self) -> impl Future<Output = ()> + Send;

    /// True while an alarm is on: the broker reads nothing of what is sent.
    fn is_blocked(&self) -> bool;

    /// Waits for the end of an alarm. Nothing may be sent before.
    ///
    /// # Errors
    /// Where that takes until `deadline`.
    fn unblocked(&self, deadline: Instant) -> impl Future<Output = Result<()>> + Send;

    /// Opens a channel.
    fn channel(&self) -> impl Future<Output = Result<Self::Channel>> + Send;

    /// True while a channel can be used.
    fn has(channel: &Self::Channel) -> bool;

    /// Says goodbye, within a bounded time.
    fn close(&self) -> impl Future<Output = ()> + Send;
}

/// Where a supervised connection stands.
#[derive(Debug)]
enum State<C> {
    /// The first attempt is under way.
    Connecting,
    Up(Arc<C>),
    Down(Fault),
    /// For good.
    Closed,
}

impl<C> Clone for State<C> {
    fn clone(&self) -> Self {
        match self {
            Self::Connecting => Self::Connecting,
            Self::Up(live) => Self::Up(Arc::clone(live)),
            Self::Down(fault) => Self::Down(fault.clone()),
            Self::Closed => Self::Closed,
        }
    }
}

/// A handle to a supervised connection.
#[derive(Debug)]
pub(crate) struct Link<C> {
    address: Address,
    state: watch::Receiver<State<C>>,
}

impl<C> Clone for Link<C> {
    fn clone(&self) -> Self {
        Self {
            address: self.address.clone(),
            state: self.state.clone(),
        }
    }
}

/// What to do while there is no connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Patience {
    /// Report why, as soon as it is known.
    None,
    /// Wait for it, unless waiting alone can't help.
    UntilDeadline,
}

impl<C: Connection> Link<C> {
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
    pub(crate) async fn live(&self, deadline: Instant, patience: Patience) -> Result<Arc<C>> {
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
    pub(crate) async fn eventually(&self) -> Option<Arc<C>> {
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
struct Supervisor<C> {
    address: Address,
    name: String,
    options: Options,
    backoff: Backoff,
    shutdown: Shutdown,
    state: watch::Sender<State<C>>,
}

impl<C: Connection> Supervisor<C> {
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

    async fn connect(&self) -> Result<Arc<C>, Fault> {
        let waited = self.options.connect_timeout;
        let connecting = C::open(&self.address, &self.name, &self.options);
        let connected = timeout(waited, connecting).await;
        connected
            .unwrap_or_else(|_| Err(Fault::no_handshake(&self.address, waited)))
            .map(Arc::new)
    }

    /// Lends the connection out until it ends.
    async fn hold(&mut self, live: Arc<C>) -> Fault {
        let since = Instant::now();
        let end = {
            // Before it is lent out, so that it hears everything that is said about it.
            let running = live.run(&self.name, &self.options);
            self.state.send_replace(State::Up(Arc::clone(&live)));
            self.shutdown.until_draining(running).await
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
}

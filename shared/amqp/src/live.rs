//! One connection of lapin's, from the moment it is open until it is given up: for everything but publishing.

use std::time::Duration;

use flotilla_core::Result;
use futures_util::StreamExt;
use lapin::{Channel, ConnectionProperties, Event};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::Options;
use crate::address::Address;
use crate::fault::{Fault, blocked, explain};
use crate::link::Connection;

/// How often to look at the state of a connection, as not every end of one is an event.
const LOOK: Duration = Duration::from_secs(1);
/// How often to look whether an alarm is over.
const LOOK_AT_ALARM: Duration = Duration::from_millis(50);
/// How long a polite goodbye may take.
const GOODBYE: Duration = Duration::from_secs(5);

/// An open connection. lapin closes it when this and all of its channels are dropped.
#[derive(Debug)]
pub(crate) struct Live {
    connection: lapin::Connection,
    address: Address,
    gone: CancellationToken,
}

impl Connection for Live {
    type Channel = Channel;

    async fn open(address: &Address, name: &str, _: &Options) -> Result<Self, Fault> {
        let properties = ConnectionProperties::default().with_connection_name(name.into());
        let connection = lapin::Connection::connect_uri(address.uri(), properties).await;
        Ok(Self {
            connection: connection.map_err(|error| Fault::connecting(address, &error))?,
            address: address.clone(),
            gone: CancellationToken::new(),
        })
    }

    fn address(&self) -> &Address {
        &self.address
    }

    fn is_usable(&self) -> bool {
        self.connection.status().connected() && !self.gone.is_cancelled()
    }

    /// It listens from the call on, not from the first poll.
    fn run(&self, name: &str, options: &Options) -> impl Future<Output = Fault> + Send {
        let mut events = self.connection.events_listener();
        async move {
            let (mut look, mut probe) = (interval(LOOK), interval(options.probe_interval));
            look.set_missed_tick_behavior(MissedTickBehavior::Delay);
            probe.reset();
            let mut last = None;
            while self.is_usable() {
                tokio::select! {
                    event = events.next() => note(name, event, &mut last),
                    _ = look.tick() => {}
                    _ = probe.tick() => if !self.answers(options).await {
                        let waited = options.probe_timeout;
                        return Fault::unavailable(format!("{} is connected, but did not answer for {waited:?}", self.address));
                    }
                }
            }
            let reason = last.map_or_else(|| "it was closed".to_owned(), |error| error.to_string());
            Fault::unavailable(format!("lost the connection to {}: {reason}", self.address))
        }
    }

    fn give_up(&self) {
        self.gone.cancel();
    }

    /// lapin tells about most ends by itself, but not about a peer that is silent.
    async fn gone(&self) {
        self.gone.cancelled().await;
    }

    fn is_blocked(&self) -> bool {
        self.connection.status().blocked()
    }

    /// What is sent before, lapin would keep in memory, without a bound.
    async fn unblocked(&self, deadline: Instant) -> Result<()> {
        while self.is_blocked() && self.is_usable() {
            if Instant::now() >= deadline {
                return Err(blocked(&self.address));
            }
            sleep(LOOK_AT_ALARM).await;
        }
        Ok(())
    }

    async fn channel(&self) -> Result<Channel> {
        let opened = self.connection.create_channel().await;
        opened.map_err(|error| explain(&self.address, "open", "a channel", error))
    }

    fn has(channel: &Channel) -> bool {
        channel.status().connected()
    }

    async fn close(&self) {
        self.give_up();
        // The server learns it from the socket otherwise.
        let _ = timeout(GOODBYE, self.connection.close(200, "OK".into())).await;
    }
}

impl Live {
    /// Asks the broker for a channel. Not for a queue: one that has lost its majority must not cost the connection
    /// that all others are served by.
    async fn answers(&self, options: &Options) -> bool {
        if self.is_blocked() {
            return true;
        }
        let channel = timeout(options.probe_timeout, self.connection.create_channel()).await;
        match channel {
            Ok(Ok(channel)) => {
                // Frees its number without waiting for the answer.
                drop(channel);
                true
            }
            Ok(Err(_)) => self.is_usable(),
            Err(_) => self.is_blocked(),
        }
    }
}

fn note(name: &str, event: Option<Event>, last: &mut Option<lapin::Error>) {
    match event {
        Some(Event::ConnectionBlocked(reason)) => tracing::warn!(
            connection = name,
            reason,
            "RabbitMQ takes no messages until the alarm is over"
        ),
        Some(Event::ConnectionUnblocked) => {
            tracing::info!(connection = name, "RabbitMQ takes messages again");
        }
        Some(Event::Error(error)) => *last = Some(error),
        _ => {}
    }
}

//! A connection that does nothing but publish.
//!
//! A general client hands every message to its I/O thread by itself, and answers for it twice: when it is written, and
//! when it is confirmed. That was most of what publishing cost a process, and the broker reads many small writes at a
//! higher price than a few long ones (`docs/performance.md` has the figures). Here a call encodes its messages into chunks
//! of whole frames, each of which is written at once, and confirms are counted (`confirms`).
//!
//! Everything but the frames that publish is encoded and read by `amq-protocol`, and its way to the server, TLS
//! included, is lapin's, so that both kinds of connection understand one URL.

mod channel;
mod confirms;
pub(crate) mod frames;
mod handshake;
mod io;
mod outbox;
pub(crate) mod properties;

use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use flotilla_core::Result;
use lapin::tcp::AMQPUriTcpExt;
use tokio::sync::{Mutex, watch};
use tokio::time::{Instant, timeout, timeout_at};
use tokio_util::compat::FuturesAsyncReadCompatExt;
use tokio_util::sync::CancellationToken;

pub(crate) use self::channel::{Channel, End};
pub(crate) use self::confirms::Fate;
use self::handshake::shake_hands;
use self::io::Io;
use self::outbox::Outbox;
use crate::Options;
use crate::address::Address;
use crate::fault::{Fault, blocked};
use crate::link::Connection;

/// How long a polite goodbye may take.
const GOODBYE: Duration = Duration::from_secs(5);

/// An open connection for publishing.
#[derive(Debug)]
pub(crate) struct Publishing {
    address: Address,
    outbox: Arc<Outbox>,
    frame_max: usize,
    blocked: watch::Receiver<bool>,
    gone: CancellationToken,
    io: Mutex<Io>,
}

impl Connection for Publishing {
    type Channel = Channel;

    async fn open(address: &Address, name: &str, _: &Options) -> Result<Self, Fault> {
        let runtime =
            lapin::runtime::default_runtime().map_err(|error| Fault::connecting(address, &error))?;
        let connecting = address.uri().connect_async(&runtime).await;
        let mut stream = connecting
            .map_err(|error| Fault::network(address, &error))?
            .compat();
        let mut received = BytesMut::new();
        let agreed = shake_hands(&mut stream, &mut received, address, name).await?;
        let (outbox, pieces) = Outbox::new(agreed.channels);
        let (outbox, (say_blocked, blocked)) = (Arc::new(outbox), watch::channel(false));
        let io = Io::new(
            stream,
            received,
            pieces,
            Arc::clone(&outbox),
            say_blocked,
            agreed.heartbeat,
        );
        Ok(Self {
            address: address.clone(),
            outbox,
            frame_max: agreed.frame_max,
            blocked,
            gone: CancellationToken::new(),
            io: Mutex::new(io),
        })
    }

    fn address(&self) -> &Address {
        &self.address
    }

    fn is_usable(&self) -> bool {
        !self.gone.is_cancelled()
    }

    /// Reads and writes.
    async fn run(&self, name: &str, options: &Options) -> Fault {
        let mut blocked = self.blocked.clone();
        let alarms = async {
            while blocked.changed().await.is_ok() {
                if *blocked.borrow_and_update() {
                    tracing::warn!(
                        connection = name,
                        "RabbitMQ takes no messages until the alarm is over"
                    );
                } else {
                    tracing::info!(connection = name, "RabbitMQ takes messages again");
                }
            }
            std::future::pending::<Fault>().await
        };
        let mut io = self.io.lock().await;
        let ended = tokio::select! {
            ended = io.run() => ended,
            fault = alarms => return fault,
            () = self.silence(options) => {
                let waited = options.probe_timeout;
                return Fault::unavailable(format!("{} is connected, but did not answer for {waited:?}", self.address));
            }
        };
        Fault::unavailable(format!("lost the connection to {}: {ended}", self.address))
    }

    fn give_up(&self) {
        self.gone.cancel();
        self.outbox.end();
    }

    async fn gone(&self) {
        self.gone.cancelled().await;
    }

    fn is_blocked(&self) -> bool {
        *self.blocked.borrow()
    }

    async fn unblocked(&self, deadline: Instant) -> Result<()> {
        let mut blocked_now = self.blocked.clone();
        let over = blocked_now.wait_for(|blocked| !*blocked);
        tokio::select! {
            over = timeout_at(deadline, over) => over.map(drop).map_err(|_| blocked(&self.address)),
            // Its end shows in what is done next.
            () = self.gone.cancelled() => Ok(()),
        }
    }

    async fn channel(&self) -> Result<Channel> {
        let opened = Channel::open(&self.outbox, self.frame_max).await;
        opened.map_err(|end| self.explain(end, "open", "a channel"))
    }

    fn has(channel: &Channel) -> bool {
        channel.is_open()
    }

    async fn close(&self) {
        self.give_up();
        // The server learns it from the socket otherwise.
        let goodbye = async { self.io.lock().await.say_goodbye().await };
        let _ = timeout(GOODBYE, goodbye).await;
    }
}

impl Publishing {
    /// Why a call failed whose channel has ended.
    pub(crate) fn explain(&self, end: End, doing: &str, what: &str) -> flotilla_core::Error {
        match end {
            End::Refused(refusal) => {
                crate::fault::refused(&self.address, doing, what, refusal.code, &refusal.text)
            }
            End::Lost => crate::fault::no_answer(&self.address, doing, what),
        }
    }

    /// Ends when the broker does not open a channel, although nothing blocks it.
    async fn silence(&self, options: &Options) {
        loop {
            tokio::time::sleep(options.probe_interval).await;
            let answer = timeout(options.probe_timeout, Channel::open(&self.outbox, self.frame_max)).await;
            if answer.is_err() && !self.is_blocked() {
                return;
            }
        }
    }
}

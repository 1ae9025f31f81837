//! Calls that are answered at once: declaring, checking, a queue's depth, a ping.

use std::time::Duration;

use flotilla_core::Result;
use flotilla_core::ports::broker::Depth;
use lapin::options::{BasicQosOptions, ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions};
use lapin::types::FieldTable;
use lapin::{Channel, ExchangeKind};
use tokio::time::{Instant, sleep, timeout_at};

use crate::Options;
use crate::backoff::Backoff;
use crate::channels::Channels;
use crate::fault::{explain, is_stumble, no_answer};
use crate::link::{Connection, Link, Patience};
use crate::live::Live;
use crate::topology::Declared;

/// Channels for it.
const CHANNELS: usize = 2;
/// The longest rest before a call is repeated that the broker stumbled over.
const MAX_REST: Duration = Duration::from_secs(1);

/// A call.
#[derive(Debug)]
pub(crate) enum Call<'a> {
    /// Declares an exchange, or checks that it is there.
    Exchange { name: &'static str, passive: bool },
    /// Declares a queue and binds it.
    Declare(&'a Declared),
    /// Looks at the queue of this name.
    Inspect(&'a str),
    /// Does nothing that anybody would notice.
    Ping,
}

/// Makes calls over one link.
#[derive(Debug)]
pub(crate) struct Control {
    channels: Channels<Live>,
    timeout: Duration,
}

impl Control {
    pub(crate) fn new(link: Link<Live>, options: &Options) -> Self {
        Self {
            channels: Channels::new(link, CHANNELS),
            timeout: options.call_timeout,
        }
    }

    /// Makes a call, within a bounded time, and again where the broker stumbles over it. Answers the depth of the queue
    /// that was looked at.
    pub(crate) async fn call(&self, call: Call<'_>) -> Result<Depth> {
        let deadline = Instant::now() + self.timeout;
        let (mut patience, mut backoff) = (Patience::None, Backoff::new(MAX_REST));
        loop {
            let lease = self.channels.lease(deadline, patience).await?;
            let address = lease.live.address().clone();
            let error = match timeout_at(deadline, call.make(&lease.channel)).await {
                Ok(Ok(depth)) => {
                    lease.keep();
                    return Ok(depth);
                }
                Ok(Err(error)) => error,
                Err(_) => return Err(no_answer(&address, call.doing(), &call.what())),
            };
            drop(lease);
            let rest = backoff.pause();
            if !is_stumble(&error) || Instant::now() + rest >= deadline {
                return Err(explain(&address, call.doing(), &call.what(), error));
            }
            tracing::debug!(%error, ?call, "the broker stumbled: trying again");
            // It has closed the connection, too.
            patience = Patience::UntilDeadline;
            sleep(rest).await;
        }
    }
}

impl Call<'_> {
    /// What is attempted, for the error.
    fn doing(&self) -> &'static str {
        match self {
            Self::Exchange { passive: true, .. } | Self::Inspect(_) => "check",
            Self::Exchange { .. } | Self::Declare(_) => "declare",
            Self::Ping => "ping",
        }
    }

    /// With what, for the error.
    fn what(&self) -> String {
        match self {
            Self::Exchange { name, .. } => format!("exchange {name}"),
            Self::Declare(Declared { name, .. }) => format!("queue {name}"),
            Self::Inspect(name) => format!("queue {name}"),
            Self::Ping => "the broker".into(),
        }
    }

    async fn make(&self, channel: &Channel) -> lapin::Result<Depth> {
        let arguments = FieldTable::default();
        match *self {
            Self::Exchange { name, passive } => {
                let options = ExchangeDeclareOptions {
                    passive,
                    durable: true,
                    ..ExchangeDeclareOptions::default()
                };
                let declaring =
                    channel.exchange_declare(name.into(), ExchangeKind::Direct, options, arguments);
                declaring.await?;
            }
            Self::Declare(queue) => declare(channel, queue).await?,
            Self::Inspect(name) => {
                let options = QueueDeclareOptions {
                    passive: true,
                    ..QueueDeclareOptions::default()
                };
                let queue = channel.queue_declare(name.into(), options, arguments).await?;
                return Ok(Depth {
                    ready: queue.message_count(),
                    consumers: queue.consumer_count(),
                });
            }
            Self::Ping => channel.basic_qos(1, BasicQosOptions::default()).await?,
        }
        Ok(Depth::default())
    }
}

async fn declare(channel: &Channel, queue: &Declared) -> lapin::Result<()> {
    let options = QueueDeclareOptions {
        durable: true,
        ..QueueDeclareOptions::default()
    };
    let name = queue.name.as_str();
    channel.queue_declare(name.into(), options, queue.table()).await?;
    let (exchange, key) = &queue.binding;
    let (options, arguments) = (QueueBindOptions::default(), FieldTable::default());
    channel
        .queue_bind(
            name.into(),
            (*exchange).into(),
            key.as_str().into(),
            options,
            arguments,
        )
        .await
}

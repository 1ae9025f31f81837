//! Publishing: pipelined, mandatory, every confirm awaited.

use std::time::Duration;

use flotilla_core::{Error, Result, crash};
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use lapin::options::BasicPublishOptions;
use lapin::{Channel, Confirmation};
use tokio::time::{Instant, timeout_at};

use crate::address::Address;
use crate::channels::Channels;
use crate::fault::{explain, missing, no_answer};
use crate::link::{Link, Patience};
use crate::live::Live;
use crate::wire::Outgoing;
use crate::{ENGINE, Options};

/// Publishes over one link.
#[derive(Debug)]
pub(crate) struct Publisher {
    channels: Channels,
    timeout: Duration,
    window: usize,
}

impl Publisher {
    pub(crate) fn new(link: Link, options: &Options) -> Self {
        Self {
            channels: Channels::new(link, options.publishers, true),
            timeout: options.publish_timeout,
            window: options.window.max(1),
        }
    }

    /// Returns when the broker has confirmed all of `messages`. After an error, each of them may have arrived or not,
    /// or may still arrive.
    pub(crate) async fn publish(&self, messages: impl ExactSizeIterator<Item = Outgoing>) -> Result<()> {
        if messages.len() == 0 {
            return Ok(());
        }
        let deadline = Instant::now() + self.timeout;
        let lease = self.channels.lease(deadline, Patience::UntilDeadline).await?;
        let sending = send_all(&lease.channel, lease.live.address(), messages, self.window);
        let sent = tokio::select! {
            biased;
            sent = timeout_at(deadline, sending) => sent,
            () = lease.live.gone() => return Err(no_answer(lease.live.address(), "confirm", "messages")),
        };
        match sent {
            Ok(Ok(())) => lease.keep(),
            Ok(Err(error)) => return Err(error),
            Err(_) => return Err(self.unconfirmed(&lease.live)),
        }
        Ok(())
    }

    fn unconfirmed(&self, live: &Live) -> Error {
        if live.is_blocked() {
            return live.blocked();
        }
        let message = format!(
            "{} did not confirm every message within {:?}: it is overloaded, or a queue has lost its majority",
            live.address(),
            self.timeout
        );
        Error::unavailable(ENGINE, message)
    }
}

/// Keeps up to `window` messages on their way. All of it is one future: a channel must not be used by two tasks.
async fn send_all(
    channel: &Channel,
    address: &Address,
    messages: impl Iterator<Item = Outgoing>,
    window: usize,
) -> Result<()> {
    let mut under_way = FuturesUnordered::new();
    for message in messages {
        if under_way.len() >= window
            && let Some(sent) = under_way.next().await
        {
            sent?;
        }
        under_way.push(send(channel, address, message));
    }
    while let Some(sent) = under_way.next().await {
        sent?;
        if !under_way.is_empty() {
            crash::point("publisher.publishing");
        }
    }
    Ok(())
}

async fn send(channel: &Channel, address: &Address, message: Outgoing) -> Result<()> {
    let Outgoing {
        queue,
        exchange,
        key,
        properties,
        body,
    } = message;
    let options = BasicPublishOptions {
        mandatory: true,
        immediate: false,
    };
    let failed = |error| explain(address, "publish to", &format!("exchange {exchange}"), error);
    let confirm = channel
        .basic_publish(exchange.into(), key.into(), options, &body, properties)
        .await
        .map_err(failed)?;
    match confirm.await.map_err(failed)? {
        Confirmation::Ack(None) => Ok(()),
        // It arrives with the confirm of any message of the call, so what it says about itself counts.
        Confirmation::Ack(Some(returned)) | Confirmation::Nack(Some(returned)) => Err(missing(
            address,
            &format!("the queue for {:?} of {exchange}", returned.routing_key.as_str()),
        )),
        Confirmation::Nack(None) => Err(Error::unavailable(
            ENGINE,
            format!("{address} refused a message for {queue}: the queue is full or has no leader"),
        )),
        Confirmation::NotRequested => Err(Error::unavailable(
            ENGINE,
            "the channel does not confirm messages",
        )),
    }
}

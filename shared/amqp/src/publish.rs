//! Publishing: pipelined, mandatory, every confirm awaited.

use std::time::Duration;

use flotilla_core::ports::broker::Unpublished;
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

    /// Returns when the broker has confirmed all of `messages`. After an error, each of those that are left may have
    /// arrived or not, or may still arrive.
    pub(crate) async fn publish(
        &self,
        messages: impl ExactSizeIterator<Item = Outgoing>,
    ) -> Result<(), Unpublished> {
        if messages.len() == 0 {
            return Ok(());
        }
        let mut confirmed = Confirmed::none_of(messages.len());
        let published = self.publish_within(messages, &mut confirmed).await;
        published.map_err(|error| confirmed.without(error))
    }

    async fn publish_within(
        &self,
        messages: impl Iterator<Item = Outgoing>,
        confirmed: &mut Confirmed,
    ) -> Result<()> {
        let deadline = Instant::now() + self.timeout;
        let lease = self.channels.lease(deadline, Patience::UntilDeadline).await?;
        let sending = send_all(
            &lease.channel,
            lease.live.address(),
            messages,
            self.window,
            confirmed,
        );
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

/// Which messages of a call the broker has.
struct Confirmed {
    each: Vec<bool>,
    /// One came back, and nobody can say whose confirm that was.
    doubtful: bool,
}

impl Confirmed {
    fn none_of(messages: usize) -> Self {
        Self {
            each: vec![false; messages],
            doubtful: false,
        }
    }

    /// What is left to publish.
    fn without(self, error: Error) -> Unpublished {
        if self.doubtful {
            return Unpublished::all(self.each.len(), error);
        }
        let each = self.each.into_iter().enumerate();
        let left = each.filter_map(|(position, confirmed)| (!confirmed).then_some(position));
        Unpublished {
            left: left.collect(),
            error,
        }
    }

    fn note(&mut self, sent: (usize, Result<(), Refused>)) -> Result<()> {
        match sent {
            (position, Ok(())) => self.each[position] = true,
            (_, Err(Refused::Returned(error))) => {
                self.doubtful = true;
                return Err(error);
            }
            (_, Err(Refused::Failed(error))) => return Err(error),
        }
        Ok(())
    }
}

/// Keeps up to `window` messages on their way. All of it is one future: a channel must not be used by two tasks. After a
/// refusal nothing more is sent, but what is on its way is heard out: most of it may be there.
async fn send_all(
    channel: &Channel,
    address: &Address,
    messages: impl Iterator<Item = Outgoing>,
    window: usize,
    confirmed: &mut Confirmed,
) -> Result<()> {
    let mut under_way = FuturesUnordered::new();
    let mut refused = Ok(());
    for (position, message) in messages.enumerate() {
        if under_way.len() >= window
            && let Some(sent) = under_way.next().await
        {
            refused = confirmed.note(sent);
            if refused.is_err() {
                break;
            }
        }
        under_way.push(async move { (position, send(channel, address, message).await) });
    }
    while let Some(sent) = under_way.next().await {
        refused = refused.and(confirmed.note(sent));
        if !under_way.is_empty() {
            crash::point("publisher.publishing");
        }
    }
    refused
}

/// Why a message is not with the broker, as far as is known.
enum Refused {
    /// It came back, or another one of the call did: the broker has no queue for it.
    Returned(Error),
    Failed(Error),
}

async fn send(channel: &Channel, address: &Address, message: Outgoing) -> Result<(), Refused> {
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
    let failed = |error| {
        Refused::Failed(explain(
            address,
            "publish to",
            &format!("exchange {exchange}"),
            error,
        ))
    };
    let confirm = channel
        .basic_publish(exchange.into(), key.into(), options, &body, properties)
        .await
        .map_err(failed)?;
    match confirm.await.map_err(failed)? {
        Confirmation::Ack(None) => Ok(()),
        // It arrives with the confirm of any message of the call, so what it says about itself counts.
        Confirmation::Ack(Some(returned)) | Confirmation::Nack(Some(returned)) => {
            let queue = format!("the queue for {:?} of {exchange}", returned.routing_key.as_str());
            Err(Refused::Returned(missing(address, &queue)))
        }
        Confirmation::Nack(None) => {
            let message =
                format!("{address} refused a message for {queue}: the queue is full or has no leader");
            Err(Refused::Failed(Error::unavailable(ENGINE, message)))
        }
        Confirmation::NotRequested => {
            let message = "the channel does not confirm messages";
            Err(Refused::Failed(Error::unavailable(ENGINE, message)))
        }
    }
}

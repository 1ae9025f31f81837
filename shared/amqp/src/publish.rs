//! Publishing: in chunks, mandatory, every confirm awaited.

use std::time::Duration;

use bytes::BytesMut;
use flotilla_core::ports::broker::Unpublished;
use flotilla_core::{Error, Result, crash};
use tokio::time::{Instant, timeout_at};

use crate::address::Address;
use crate::channels::Channels;
use crate::fault::{blocked, missing, no_answer};
use crate::link::{Connection, Link, Patience};
use crate::publishing::frames::write_message;
use crate::publishing::{Channel, End, Fate, Publishing};
use crate::wire::Outgoing;
use crate::{ENGINE, Options};

/// About how many bytes are written at once.
const CHUNK: usize = 64 << 10;
/// About how many bytes a message takes.
const USUAL: usize = 512;

/// Publishes over one link.
#[derive(Debug)]
pub(crate) struct Publisher {
    channels: Channels<Publishing>,
    timeout: Duration,
    window: usize,
}

impl Publisher {
    pub(crate) fn new(link: Link<Publishing>, options: &Options) -> Self {
        Self {
            channels: Channels::new(link, options.publishers),
            timeout: options.publish_timeout,
            window: options.window.max(1),
        }
    }

    /// Returns when the broker has confirmed all of `messages`. After an error, each of those that are left may have
    /// arrived or not, or may still arrive.
    pub(crate) async fn publish(&self, messages: &[Outgoing<'_>]) -> Result<(), Unpublished> {
        let count = messages.len();
        if count == 0 {
            return Ok(());
        }
        let deadline = Instant::now() + self.timeout;
        let leased = self.channels.lease(deadline, Patience::UntilDeadline).await;
        let lease = leased.map_err(|error| Unpublished::all(count, error))?;
        let (channel, live) = (&lease.channel, &lease.live);
        let sending = send_all(channel, messages, self.window);
        let sent = tokio::select! {
            biased;
            sent = timeout_at(deadline, sending) => sent.unwrap_or(Err(Stopped::TooLate)),
            () = live.gone() => Err(Stopped::Ended(End::Lost)),
        };
        let (fates, returned) = channel.fates();
        let left = left(count, &fates);
        let address = live.address();
        let error = match (sent, &returned) {
            (Ok(()), None) if left.is_empty() => {
                lease.keep();
                return Ok(());
            }
            (Ok(()), None) => refused(address, messages, &left),
            (Ok(()), Some(key)) => missing(
                address,
                &format!("the queue for {key:?} of {}", exchange(messages)),
            ),
            (Err(Stopped::TooLate), _) => self.unconfirmed(live),
            (Err(Stopped::Ended(End::Lost)), _) => no_answer(address, "confirm", "messages"),
            (Err(Stopped::Ended(end)), _) => {
                live.explain(end, "publish to", &format!("exchange {}", exchange(messages)))
            }
        };
        // What came back is confirmed as everything else is, and nobody can say which of them it was.
        Err(match returned {
            Some(_) => Unpublished::all(count, error),
            None => Unpublished { left, error },
        })
    }

    fn unconfirmed(&self, live: &Publishing) -> Error {
        if live.is_blocked() {
            return blocked(live.address());
        }
        let message = format!(
            "{} did not confirm every message within {:?}: it is overloaded, or a queue has lost its majority",
            live.address(),
            self.timeout
        );
        Error::unavailable(ENGINE, message)
    }
}

/// Why not everything is settled.
enum Stopped {
    TooLate,
    Ended(End),
}

impl From<End> for Stopped {
    fn from(end: End) -> Self {
        Self::Ended(end)
    }
}

/// Keeps up to `window` messages on their way. After a refusal nothing more is sent, but what is on its way is heard out:
/// most of it may be there.
async fn send_all(channel: &Channel, messages: &[Outgoing<'_>], window: usize) -> Result<(), Stopped> {
    let mut rest = messages;
    while !rest.is_empty()
        && let Some(room) = channel.room(window).await?
    {
        let (chunk, count) = chunk_of(channel, rest, room);
        channel.send(chunk.freeze(), count).await?;
        rest = &rest[count..];
    }
    channel.some_settled().await?;
    crash::point("publisher.publishing");
    Ok(channel.all_settled().await?)
}

/// Encodes as many messages as there is room for, in a chunk and in the window: at least one.
fn chunk_of(channel: &Channel, messages: &[Outgoing<'_>], room: usize) -> (BytesMut, usize) {
    let mut chunk = BytesMut::with_capacity(CHUNK.min(messages.len() * USUAL));
    let mut count = 0;
    for message in &messages[..room.clamp(1, messages.len())] {
        write_message(&mut chunk, channel.number(), channel.frame_max(), message);
        count += 1;
        if chunk.len() >= CHUNK {
            break;
        }
    }
    (chunk, count)
}

/// The positions of those messages that the broker has not confirmed.
fn left(count: usize, fates: &[Fate]) -> Vec<usize> {
    let confirmed = |&position: &usize| fates.get(position) == Some(&Fate::Confirmed);
    (0..count).filter(|position| !confirmed(position)).collect()
}

/// All messages of a call go to the same one.
fn exchange(messages: &[Outgoing<'_>]) -> &'static str {
    messages.first().map_or("", Outgoing::exchange)
}

fn refused(address: &Address, messages: &[Outgoing<'_>], left: &[usize]) -> Error {
    let first = left.first().and_then(|&first| messages.get(first));
    let queue = first
        .map(|message| message.queue().to_string())
        .unwrap_or_default();
    let message = format!("{address} refused a message for {queue}: the queue is full or has no leader");
    Error::unavailable(ENGINE, message)
}

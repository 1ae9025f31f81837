//! Settling deliveries of one channel, and of whichever channel a subscription has now.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Waker};
use std::time::Duration;

use async_trait::async_trait;
use flotilla_core::ports::broker::{Settle, Tag};
use flotilla_core::{Error, Result};
use lapin::Channel;
use lapin::options::{BasicAckOptions, BasicNackOptions};
use tokio::time::timeout;

use crate::ENGINE;
use crate::outstanding::Outstanding;

/// How long the socket may take to accept an acknowledgement.
const PATIENCE: Duration = Duration::from_secs(10);

/// What becomes of a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// Done with.
    Ack,
    /// To be delivered again. `basic.nack`, not `basic.reject`: from RabbitMQ 4.3 on it does not count as a failure.
    Release,
    /// To be dead-lettered.
    Reject,
}

/// One incarnation of a subscription's channel. The channel is closed with the last handle to it, which gives back
/// everything unsettled.
#[derive(Debug)]
pub(crate) struct Session {
    channel: Channel,
    generation: u64,
    outstanding: Mutex<Outstanding>,
}

impl Session {
    pub(crate) fn new(channel: Channel, generation: u64) -> Self {
        Self {
            channel,
            generation,
            outstanding: Mutex::default(),
        }
    }

    /// The channel.
    pub(crate) fn channel(&self) -> &Channel {
        &self.channel
    }

    /// A delivery is handed out.
    pub(crate) fn hand_out(&self, number: u64) -> Tag {
        self.outstanding().add(number);
        Tag {
            generation: self.generation,
            number,
        }
    }

    /// True where nothing that was handed out is left to settle.
    pub(crate) fn is_settled(&self) -> bool {
        self.outstanding().is_empty()
    }

    /// Gives back a delivery that was never handed out.
    pub(crate) fn give_back(&self, number: u64) {
        drop(self.start(Fate::Release, number, false));
    }

    /// Settles deliveries of this channel. Once the channel is gone there is nothing to settle: the broker has taken
    /// all of them back.
    async fn settle(&self, fate: Fate, tags: Vec<Tag>) -> Result<()> {
        let numbers = tags
            .into_iter()
            .filter(|tag| tag.generation == self.generation)
            .map(|tag| tag.number);
        let Some(written) = self.queue_frames(fate, numbers.collect()) else {
            return Ok(());
        };
        match timeout(PATIENCE, written).await {
            Ok(_) => Ok(()),
            Err(_) => Err(Error::unavailable(
                ENGINE,
                "acknowledgements are stuck: the connection is about to be given up",
            )),
        }
    }

    /// Queues the frames and returns the last one's future. Frames leave in order, so it stands for all of them.
    ///
    /// The decision and its frames are one step that no other call and no cancellation can come between: "all up to 6"
    /// includes a 5 that another call has decided to reject, unless its frame is before this one.
    fn queue_frames(&self, fate: Fate, numbers: Vec<u64>) -> Option<Written<'_>> {
        let mut outstanding = self.outstanding();
        let plan = outstanding.settle(numbers);
        let first = plan.up_to.map(|number| self.start(fate, number, true));
        let rest = plan
            .single
            .into_iter()
            .map(|number| self.start(fate, number, false));
        first.into_iter().chain(rest).last()
    }

    /// Makes lapin queue a frame, by polling once.
    fn start(&self, fate: Fate, number: u64, multiple: bool) -> Written<'_> {
        let mut written: Written<'_> = match fate {
            Fate::Ack => Box::pin(self.channel.basic_ack(number, BasicAckOptions { multiple })),
            Fate::Release | Fate::Reject => {
                let requeue = fate == Fate::Release;
                Box::pin(
                    self.channel
                        .basic_nack(number, BasicNackOptions { multiple, requeue }),
                )
            }
        };
        match written.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            std::task::Poll::Ready(done) => Box::pin(std::future::ready(done)),
            std::task::Poll::Pending => written,
        }
    }

    fn outstanding(&self) -> MutexGuard<'_, Outstanding> {
        self.outstanding.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Resolves when a frame is written to the socket.
type Written<'a> = Pin<Box<dyn Future<Output = lapin::Result<()>> + Send + 'a>>;

/// Settles deliveries of a subscription, over the session that it has now.
#[derive(Debug, Default)]
pub(crate) struct Settler(Mutex<Option<Arc<Session>>>);

impl Settler {
    /// The subscription has another channel. What came over the earlier one is the broker's again.
    pub(crate) fn renew(&self, session: Option<Arc<Session>>) {
        *self.session() = session;
    }

    async fn settle(&self, fate: Fate, tags: Vec<Tag>) -> Result<()> {
        let session = self.session().clone();
        match session {
            Some(session) => session.settle(fate, tags).await,
            None => Ok(()),
        }
    }

    fn session(&self) -> MutexGuard<'_, Option<Arc<Session>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Settle for Settler {
    async fn ack(&self, tags: Vec<Tag>) -> Result<()> {
        self.settle(Fate::Ack, tags).await
    }

    async fn release(&self, tags: Vec<Tag>) -> Result<()> {
        self.settle(Fate::Release, tags).await
    }

    async fn reject(&self, tags: Vec<Tag>) -> Result<()> {
        self.settle(Fate::Reject, tags).await
    }
}

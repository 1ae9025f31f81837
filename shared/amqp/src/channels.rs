//! Channels that are used by one call at a time.

use std::sync::{Arc, Mutex, PoisonError};

use flotilla_core::{Error, Result};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::{Instant, timeout_at};

use crate::ENGINE;
use crate::fault::no_answer;
use crate::link::{Connection, Link, Patience};

/// A bounded pool of channels of one link.
#[derive(Debug)]
pub(crate) struct Channels<C: Connection> {
    link: Link<C>,
    slots: Semaphore,
    idle: Mutex<Vec<(C::Channel, Arc<C>)>>,
}

impl<C: Connection> Channels<C> {
    /// At most `size` channels.
    pub(crate) fn new(link: Link<C>, size: usize) -> Self {
        Self {
            link,
            slots: Semaphore::new(size.max(1)),
            idle: Mutex::default(),
        }
    }

    /// A channel for the caller alone.
    pub(crate) async fn lease(&self, deadline: Instant, patience: Patience) -> Result<Lease<'_, C>> {
        let slot = timeout_at(deadline, self.slots.acquire()).await;
        let Ok(Ok(slot)) = slot else {
            let message = format!("every channel to {} was busy for too long", self.link.address());
            return Err(Error::unavailable(ENGINE, message));
        };
        let live = self.link.live(deadline, patience).await?;
        // Not even a channel can be opened before.
        live.unblocked(deadline).await?;
        let channel = match self.take_idle(&live) {
            Some(channel) => channel,
            None => timeout_at(deadline, live.channel())
                .await
                .unwrap_or_else(|_| Err(no_answer(live.address(), "open", "a channel")))?,
        };
        Ok(Lease {
            channel,
            live,
            pool: self,
            _slot: slot,
        })
    }

    fn take_idle(&self, live: &Arc<C>) -> Option<C::Channel> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        // Channels of an earlier connection go with it.
        idle.retain(|(channel, of)| Arc::ptr_eq(of, live) && C::has(channel));
        idle.pop().map(|(channel, _)| channel)
    }
}

/// A channel that nobody else uses. Unless it is [kept](Self::keep), it is closed: after an error, or when the caller
/// went away in the middle, confirms of the past would be taken for those of the next call.
#[derive(Debug)]
pub(crate) struct Lease<'a, C: Connection> {
    pub(crate) channel: C::Channel,
    pub(crate) live: Arc<C>,
    pool: &'a Channels<C>,
    _slot: SemaphorePermit<'a>,
}

impl<C: Connection> Lease<'_, C> {
    /// Returns it for the next call.
    pub(crate) fn keep(self) {
        let mut idle = self.pool.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.push((self.channel, self.live));
    }
}

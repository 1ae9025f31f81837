//! Channels that are used by one call at a time.

use std::sync::{Arc, Mutex, PoisonError};

use flotilla_core::{Error, Result};
use lapin::Channel;
use lapin::options::ConfirmSelectOptions;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::{Instant, timeout_at};

use crate::ENGINE;
use crate::fault::{explain, no_answer};
use crate::link::{Link, Patience};
use crate::live::Live;

/// A bounded pool of channels of one link.
#[derive(Debug)]
pub(crate) struct Channels {
    link: Link,
    confirms: bool,
    slots: Semaphore,
    idle: Mutex<Vec<(Channel, Arc<Live>)>>,
}

impl Channels {
    /// At most `size` channels; with publisher confirms, or without.
    pub(crate) fn new(link: Link, size: usize, confirms: bool) -> Self {
        Self {
            link,
            confirms,
            slots: Semaphore::new(size.max(1)),
            idle: Mutex::default(),
        }
    }

    /// A channel for the caller alone.
    pub(crate) async fn lease(&self, deadline: Instant, patience: Patience) -> Result<Lease<'_>> {
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
            None => timeout_at(deadline, self.open(&live))
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

    fn take_idle(&self, live: &Arc<Live>) -> Option<Channel> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        // Channels of an earlier connection go with it.
        idle.retain(|(channel, of)| Arc::ptr_eq(of, live) && channel.status().connected());
        idle.pop().map(|(channel, _)| channel)
    }

    async fn open(&self, live: &Live) -> Result<Channel> {
        let failed = |error| explain(live.address(), "open", "a channel", error);
        let channel = live.connection().create_channel().await.map_err(failed)?;
        if self.confirms {
            let options = ConfirmSelectOptions::default();
            channel.confirm_select(options).await.map_err(failed)?;
        }
        Ok(channel)
    }
}

/// A channel that nobody else uses. Unless it is [kept](Self::keep), it is closed: after an error, or when the caller
/// went away in the middle, confirms of the past would be taken for those of the next call.
#[derive(Debug)]
pub(crate) struct Lease<'a> {
    pub(crate) channel: Channel,
    pub(crate) live: Arc<Live>,
    pool: &'a Channels,
    _slot: SemaphorePermit<'a>,
}

impl Lease<'_> {
    /// Returns it for the next call.
    pub(crate) fn keep(self) {
        let mut idle = self.pool.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.push((self.channel, self.live));
    }
}

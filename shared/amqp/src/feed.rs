//! A subscription's deliveries: a stream that outlives its channel.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use flotilla_core::ports::broker::{Delivery, Subscription, Tag};
use flotilla_core::{Error, Result, Tasks};
use futures_util::StreamExt;
use lapin::Consumer;
use lapin::options::{BasicCancelOptions, BasicConsumeOptions, BasicQosOptions};
use lapin::types::FieldTable;
use tokio::time::{sleep, timeout};

use crate::backoff::Backoff;
use crate::fault::{explain, no_answer};
use crate::link::{Connection, Link};
use crate::live::Live;
use crate::session::{Session, Settler};
use crate::wire::{Read, redeliveries};
use crate::{ENGINE, Options};

/// Where subscriptions come from.
#[derive(Debug, Clone)]
pub(crate) struct Feeds {
    pub(crate) link: Link<Live>,
    pub(crate) tasks: Tasks,
    pub(crate) options: Options,
    /// Numbers the channels of the process, so that a tag of one is never taken for another's.
    pub(crate) incarnations: Arc<AtomicU64>,
}

impl Feeds {
    /// A subscription to `queue`. It begins to consume when it is first polled.
    ///
    /// # Errors
    /// Where `prefetch` is 0, which would mean: everything, into this process's memory.
    pub(crate) fn subscribe<M: Send + 'static>(
        &self,
        queue: String,
        prefetch: u16,
        read: Read<M>,
    ) -> Result<Subscription<M>> {
        if prefetch == 0 {
            return Err(Error::misconfigured(
                ENGINE,
                "a prefetch of 0 has no bound: it must be at least 1",
            ));
        }
        let settler = Arc::new(Settler::default());
        let feed = Feed {
            backoff: Backoff::new(self.options.max_pause),
            feeds: self.clone(),
            queue,
            prefetch,
            read,
            settler: Arc::clone(&settler),
            active: None,
            outage: false,
        };
        let deliveries = futures_util::stream::unfold(feed, |mut feed| async move {
            let delivery = feed.next().await?;
            Some((delivery, feed))
        });
        Ok(Subscription {
            deliveries: deliveries.boxed(),
            settle: settler,
        })
    }
}

/// A consumer that is running.
struct Active {
    consumer: Consumer,
    session: Arc<Session>,
    live: Arc<Live>,
}

struct Feed<M> {
    feeds: Feeds,
    queue: String,
    prefetch: u16,
    read: Read<M>,
    settler: Arc<Settler>,
    active: Option<Active>,
    backoff: Backoff,
    /// True from the first failure on, until a consumer runs again.
    outage: bool,
}

impl<M> Feed<M> {
    /// `None` when the broker was closed.
    async fn next(&mut self) -> Option<Delivery<M>> {
        let shutdown = self.feeds.tasks.shutdown().clone();
        loop {
            if self.active.is_none() {
                self.active = shutdown.until_draining(self.subscribe()).await?;
            }
            let active = self.active.as_mut()?;
            let end = tokio::select! {
                biased;
                delivery = active.consumer.next() => match delivery {
                    // Of those that were buffered when the channel ended, the broker has new ones.
                    Some(Ok(delivery)) if !delivery.acker.usable() => continue,
                    Some(Ok(delivery)) => {
                        let tag = active.session.hand_out(delivery.delivery_tag);
                        self.backoff.reset();
                        return Some(self.delivery(tag, delivery));
                    }
                    Some(Err(error)) => error.to_string(),
                    // The broker cancels consumers of a queue that is deleted.
                    None => "the broker cancelled the consumer".into(),
                },
                () = active.live.gone() => "the connection was given up".into(),
                () = shutdown.draining() => return None,
                () = sleep(self.feeds.options.max_idle) => {
                    self.renew_when_settled();
                    continue;
                }
            };
            self.active = None;
            self.report(&end);
            shutdown.until_draining(sleep(self.backoff.pause())).await?;
        }
    }

    /// Consumes anew what has been quiet for long. A quorum queue that is deleted and declared again at once (seen on
    /// 3.10.8) does not cancel the old one's consumers: it takes them for its own, and what it sends them is lost on
    /// the way, stuck until their channel closes. Nothing else tells.
    fn renew_when_settled(&mut self) {
        self.active.take_if(|active| active.session.is_settled());
    }

    fn delivery(&self, tag: Tag, delivery: lapin::message::Delivery) -> Delivery<M> {
        Delivery {
            tag,
            redeliveries: redeliveries(&delivery.properties, delivery.redelivered),
            message: (self.read)(&delivery.properties, delivery.data),
        }
    }

    /// Tries until a consumer runs. `None` when the broker was closed.
    async fn subscribe(&mut self) -> Option<Active> {
        loop {
            let live = self.feeds.link.eventually().await?;
            let opening = timeout(self.feeds.options.connect_timeout, self.open(live));
            match opening.await.unwrap_or_else(|_| Err(self.no_answer())) {
                Ok(active) => {
                    self.settler.renew(Some(Arc::clone(&active.session)));
                    if std::mem::take(&mut self.outage) {
                        tracing::info!(queue = self.queue, "consuming again");
                    }
                    return Some(active);
                }
                Err(error) => self.report(&error.chain()),
            }
            sleep(self.backoff.pause()).await;
        }
    }

    /// Always on a new channel: on 3.10.8, consuming again on one with deliveries under way kills it.
    async fn open(&self, live: Arc<Live>) -> Result<Active> {
        let failed = |error| explain(live.address(), "consume", &format!("queue {}", self.queue), error);
        let channel = live.channel().await?;
        // Before the consumer: it gets what is allowed when it starts.
        let qos = BasicQosOptions { global: false };
        channel.basic_qos(self.prefetch, qos).await.map_err(failed)?;
        let (options, arguments) = (BasicConsumeOptions::default(), FieldTable::default());
        let consumer = channel
            .basic_consume(self.queue.as_str().into(), "".into(), options, arguments)
            .await
            .map_err(failed)?;
        let generation = self.feeds.incarnations.fetch_add(1, Ordering::Relaxed);
        Ok(Active {
            consumer,
            session: Arc::new(Session::new(channel, generation)),
            live,
        })
    }

    fn no_answer(&self) -> Error {
        no_answer(
            self.feeds.link.address(),
            "consume",
            &format!("queue {}", self.queue),
        )
    }

    /// Once per outage.
    fn report(&mut self, reason: &str) {
        if std::mem::replace(&mut self.outage, true) {
            tracing::debug!(queue = self.queue, reason, "still not consuming");
        } else {
            tracing::warn!(queue = self.queue, reason, "stopped consuming, trying again");
        }
    }
}

impl<M> Drop for Feed<M> {
    /// Stops the consumer and gives back what it has buffered. What was handed out stays with whoever holds `settle`.
    fn drop(&mut self) {
        let Some(active) = self.active.take() else {
            return;
        };
        // Without a runtime there is no connection either.
        if tokio::runtime::Handle::try_current().is_ok() {
            let patience = self.feeds.options.call_timeout;
            let ending = async move { timeout(patience, give_back(active)).await };
            self.feeds.tasks.spawn("amqp consumer ending", ending);
        }
    }
}

async fn give_back(active: Active) {
    let Active {
        mut consumer,
        session,
        ..
    } = active;
    let cancelling = session
        .channel()
        .basic_cancel(consumer.tag(), BasicCancelOptions::default());
    if cancelling.await.is_err() {
        // The channel is gone, and everything is given back with it.
        return;
    }
    // The broker's answer ends the stream.
    while let Some(Ok(delivery)) = consumer.next().await {
        session.give_back(delivery.delivery_tag);
    }
}

//! The embedded broker, which can pass for one that survives the process, and whose acknowledgements can fail.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use async_trait::async_trait;
use flotilla_core::message::{ItemMessage, Report};
use flotilla_core::ports::Broker;
use flotilla_core::ports::broker::{Depth, Queue, Settle, Subscription, Tag, Topology, Unpublished};
use flotilla_core::shard::Shard;
use flotilla_core::{Error, Pool, Result};
use flotilla_embedded::broker::{BrokerOptions, EmbeddedBroker};

pub(crate) struct FlakyBroker {
    inner: EmbeddedBroker,
    volatile: bool,
    failing_acks: Arc<AtomicU32>,
}

impl Default for FlakyBroker {
    fn default() -> Self {
        Self {
            inner: EmbeddedBroker::new(BrokerOptions::default()),
            volatile: true,
            failing_acks: Arc::default(),
        }
    }
}

impl FlakyBroker {
    /// Claims that its messages survive the process.
    pub(crate) fn durable() -> Self {
        Self {
            volatile: false,
            ..Self::default()
        }
    }

    /// The next so many acknowledgements of reports and dead letters fail.
    pub(crate) fn fail_acks(&self, count: u32) {
        self.failing_acks.store(count, Ordering::SeqCst);
    }

    fn flaky<M>(&self, subscription: Subscription<M>) -> Subscription<M> {
        let Subscription { deliveries, settle } = subscription;
        Subscription {
            deliveries,
            settle: Arc::new(FlakySettle {
                inner: settle,
                failing_acks: Arc::clone(&self.failing_acks),
            }),
        }
    }
}

struct FlakySettle {
    inner: Arc<dyn Settle>,
    failing_acks: Arc<AtomicU32>,
}

#[async_trait]
impl Settle for FlakySettle {
    async fn ack(&self, tags: Vec<Tag>) -> Result<()> {
        let failing = &self.failing_acks;
        let fails = failing.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
        if fails.is_ok() {
            return Err(Error::unavailable("test", "told to"));
        }
        self.inner.ack(tags).await
    }

    async fn release(&self, tags: Vec<Tag>) -> Result<()> {
        self.inner.release(tags).await
    }

    async fn reject(&self, tags: Vec<Tag>) -> Result<()> {
        self.inner.reject(tags).await
    }
}

#[async_trait]
impl Broker for FlakyBroker {
    async fn declare(&self, topology: &Topology) -> Result<()> {
        self.inner.declare(topology).await
    }

    async fn check(&self, topology: &Topology) -> Result<()> {
        self.inner.check(topology).await
    }

    async fn publish_items(&self, items: &[ItemMessage]) -> Result<(), Unpublished> {
        self.inner.publish_items(items).await
    }

    async fn publish_report(&self, shard: Shard, report: &Report) -> Result<()> {
        self.inner.publish_report(shard, report).await
    }

    async fn consume_items(&self, pool: &Pool, prefetch: u16) -> Result<Subscription<ItemMessage>> {
        self.inner.consume_items(pool, prefetch).await
    }

    async fn consume_isolated(&self, pool: &Pool) -> Result<Subscription<ItemMessage>> {
        self.inner.consume_isolated(pool).await
    }

    async fn consume_reports(&self, shard: Shard, prefetch: u16) -> Result<Subscription<Report>> {
        Ok(self.flaky(self.inner.consume_reports(shard, prefetch).await?))
    }

    async fn consume_dead(&self, prefetch: u16) -> Result<Subscription<ItemMessage>> {
        Ok(self.flaky(self.inner.consume_dead(prefetch).await?))
    }

    async fn depth(&self, queue: &Queue) -> Result<Depth> {
        self.inner.depth(queue).await
    }

    fn is_volatile(&self) -> bool {
        self.volatile
    }

    async fn ping(&self) -> Result<()> {
        self.inner.ping().await
    }
}

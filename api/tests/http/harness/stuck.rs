//! A broker one of whose queues is silent: what is published there is never confirmed.

use std::sync::Arc;

use async_trait::async_trait;
use flotilla_core::message::{ItemMessage, Report};
use flotilla_core::ports::Broker;
use flotilla_core::ports::broker::{Depth, Queue, Subscription, Topology, Unpublished};
use flotilla_core::shard::Shard;
use flotilla_core::{Pool, Result};

pub(crate) struct Stuck {
    pub(crate) inner: Arc<dyn Broker>,
    /// The pool of the silent queue.
    pub(crate) pool: Option<Pool>,
}

#[async_trait]
impl Broker for Stuck {
    async fn declare(&self, topology: &Topology) -> Result<()> {
        self.inner.declare(topology).await
    }
    async fn check(&self, topology: &Topology) -> Result<()> {
        self.inner.check(topology).await
    }
    async fn publish_items(&self, items: &[ItemMessage]) -> Result<(), Unpublished> {
        if items.iter().any(|item| Some(&item.pool) == self.pool.as_ref()) {
            return std::future::pending().await;
        }
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
        self.inner.consume_reports(shard, prefetch).await
    }
    async fn consume_dead(&self, prefetch: u16) -> Result<Subscription<ItemMessage>> {
        self.inner.consume_dead(prefetch).await
    }
    async fn depth(&self, queue: &Queue) -> Result<Depth> {
        self.inner.depth(queue).await
    }
    fn is_volatile(&self) -> bool {
        self.inner.is_volatile()
    }
    async fn ping(&self) -> Result<()> {
        self.inner.ping().await
    }
}

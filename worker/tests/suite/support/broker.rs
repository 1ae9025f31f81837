//! The embedded broker, with a window into what the worker does with it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use flotilla_core::message::{ItemMessage, Malformed, Report};
use flotilla_core::ports::broker::{
    Broker, Depth, Queue, SUSPECT_AFTER, Settle, Subscription, Tag, Topology, Unpublished,
};
use flotilla_core::shard::Shard;
use flotilla_core::{BatchId, Error, Pool, Result};
use flotilla_embedded::broker::{BrokerOptions, EmbeddedBroker};
use futures_util::StreamExt;
use tokio::sync::watch;

/// An item's identity.
pub(crate) type Key = (BatchId, u32);

/// What the worker did, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Did {
    Report(Key),
    Ack(Key),
    Release(Key),
    Reject(Key),
}

/// Records what goes through to an [`EmbeddedBroker`], and can keep reports from getting there.
pub(crate) struct Watched {
    pub(crate) inner: EmbeddedBroker,
    log: Arc<Mutex<Vec<Did>>>,
    reports: watch::Sender<Reports>,
}

/// What happens to reports of items.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reports {
    Pass,
    /// So many fail, after that they pass.
    Fail(u32),
    /// They take until that changes.
    Hang,
}

/// Items of this job type arrive as messages that are none.
pub(crate) const MALFORMED: &str = "malformed";
/// Items of this job type arrive over the work queue as if their workers had been lost before.
pub(crate) const SUSPECT: &str = "suspect";

impl Watched {
    pub(crate) async fn new(topology: &Topology) -> Arc<Self> {
        let inner = EmbeddedBroker::new(BrokerOptions::default());
        inner.declare(topology).await.unwrap();
        Arc::new(Self {
            inner,
            log: Arc::default(),
            reports: watch::channel(Reports::Pass).0,
        })
    }

    pub(crate) fn reports(&self, reports: Reports) {
        self.reports.send_replace(reports);
    }

    pub(crate) fn log(&self) -> Vec<Did> {
        self.log.lock().unwrap().clone()
    }

    /// How many items were acknowledged.
    pub(crate) fn acked(&self) -> usize {
        let acked = |did: &&Did| matches!(did, Did::Ack(_));
        self.log.lock().unwrap().iter().filter(acked).count()
    }

    fn watch(&self, subscription: Subscription<ItemMessage>) -> Subscription<ItemMessage> {
        let settle = Arc::new(WatchedSettle {
            inner: subscription.settle,
            log: Arc::clone(&self.log),
            keys: Mutex::default(),
        });
        let names = Arc::clone(&settle);
        let deliveries = subscription.deliveries.map(move |mut delivery| {
            if let Ok(message) = &delivery.message {
                names.name(&delivery.tag, (message.batch, message.index));
                if message.job_type == MALFORMED {
                    delivery.message = Err(Malformed("on purpose".into()));
                } else if message.job_type == SUSPECT && !message.isolated {
                    delivery.redeliveries = SUSPECT_AFTER;
                }
            }
            delivery
        });
        Subscription {
            deliveries: deliveries.boxed(),
            settle,
        }
    }
}

#[async_trait]
impl Broker for Watched {
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
        if !report.items.is_empty() {
            let mut failed = false;
            self.reports.send_if_modified(|reports| {
                if let Reports::Fail(left @ 1..) = reports {
                    *left -= 1;
                    failed = true;
                }
                failed
            });
            if failed {
                return Err(Error::unavailable("a test", "on purpose"));
            }
            let mut reports = self.reports.subscribe();
            reports
                .wait_for(|reports| *reports != Reports::Hang)
                .await
                .unwrap();
        }
        self.inner.publish_report(shard, report).await?;
        let keys = report
            .items
            .iter()
            .map(|item| Did::Report((item.batch, item.index)));
        self.log.lock().unwrap().extend(keys);
        Ok(())
    }

    async fn consume_items(&self, pool: &Pool, prefetch: u16) -> Result<Subscription<ItemMessage>> {
        Ok(self.watch(self.inner.consume_items(pool, prefetch).await?))
    }

    async fn consume_isolated(&self, pool: &Pool) -> Result<Subscription<ItemMessage>> {
        Ok(self.watch(self.inner.consume_isolated(pool).await?))
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

struct WatchedSettle {
    inner: Arc<dyn Settle>,
    log: Arc<Mutex<Vec<Did>>>,
    keys: Mutex<HashMap<(u64, u64), Key>>,
}

impl WatchedSettle {
    fn name(&self, tag: &Tag, key: Key) {
        self.keys
            .lock()
            .unwrap()
            .insert((tag.generation, tag.number), key);
    }

    fn note(&self, tags: &[Tag], did: fn(Key) -> Did) {
        let keys = self.keys.lock().unwrap();
        let done = tags.iter().map(|tag| did(keys[&(tag.generation, tag.number)]));
        self.log.lock().unwrap().extend(done);
    }
}

#[async_trait]
impl Settle for WatchedSettle {
    async fn ack(&self, tags: Vec<Tag>) -> Result<()> {
        self.note(&tags, Did::Ack);
        self.inner.ack(tags).await
    }

    async fn release(&self, tags: Vec<Tag>) -> Result<()> {
        self.note(&tags, Did::Release);
        self.inner.release(tags).await
    }

    async fn reject(&self, tags: Vec<Tag>) -> Result<()> {
        self.note(&tags, Did::Reject);
        self.inner.reject(tags).await
    }
}

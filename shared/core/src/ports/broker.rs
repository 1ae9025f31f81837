//! The port to the message broker: transport of what the fleet works on now.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use futures_util::stream::BoxStream;

use crate::error::{Error, Result};
use crate::ids::Pool;
use crate::message::{ItemMessage, Malformed, Report};
use crate::shard::Shard;

/// Carries items to workers, and reports back. At least once: whoever consumes must expect duplicates.
///
/// Adapters reconnect on their own. While there is no connection, publishing fails after a bounded time and
/// subscriptions are silent; afterwards both go on. Dropping any future of this port is safe; a dropped publish may or
/// may not have happened.
#[async_trait]
pub trait Broker: Send + Sync {
    /// Declares every queue of `topology`, idempotently.
    async fn declare(&self, topology: &Topology) -> Result<()>;

    /// Checks that every queue of `topology` exists. The error names the first one missing and what to run.
    async fn check(&self, topology: &Topology) -> Result<()>;

    /// Publishes items, each to the work queue of its pool, or to the isolation queue of its pool where it has to run
    /// alone. Returns when all of them are safe with the broker; an error names those that may not be.
    async fn publish_items(&self, items: &[ItemMessage]) -> Result<(), Unpublished>;

    /// Publishes a report to a shard. Returns when it is safe with the broker.
    async fn publish_report(&self, shard: Shard, report: &Report) -> Result<()>;

    /// Consumes the work queue of `pool`, with at most `prefetch` deliveries unsettled.
    async fn consume_items(&self, pool: &Pool, prefetch: u16) -> Result<Subscription<ItemMessage>>;

    /// Consumes the isolation queue of `pool`, one delivery at a time.
    async fn consume_isolated(&self, pool: &Pool) -> Result<Subscription<ItemMessage>>;

    /// Consumes the reports of a shard. Of several subscribers one is active at a time; another takes over when it goes.
    async fn consume_reports(&self, shard: Shard, prefetch: u16) -> Result<Subscription<Report>>;

    /// Consumes the dead letters: items that were rejected or delivered too often without being settled.
    async fn consume_dead(&self, prefetch: u16) -> Result<Subscription<ItemMessage>>;

    /// How deep a queue is.
    async fn depth(&self, queue: &Queue) -> Result<Depth>;

    /// How many messages nobody understood, and which wait for a person: see [`PARKED`]. None where the broker is this
    /// process, whose messages have one version.
    async fn parked(&self) -> Result<u32> {
        Ok(0)
    }

    /// True where messages do not survive this process.
    fn is_volatile(&self) -> bool;

    /// Answers when the broker does.
    async fn ping(&self) -> Result<()>;
}

/// What [`Broker::publish_items`] could not bring to the broker.
#[derive(Debug, thiserror::Error)]
#[error("{} items may not have been published", left.len())]
pub struct Unpublished {
    /// The positions of the items that may be safe with the broker or not, in ascending order. All others are.
    pub left: Vec<usize>,
    /// Why.
    #[source]
    pub error: Error,
}

impl Unpublished {
    /// Nothing is known of any of `items` items.
    #[must_use]
    pub fn all(items: usize, error: Error) -> Self {
        Self {
            left: (0..items).collect(),
            error,
        }
    }
}

/// How often a message may be returned unsettled before it is dead-lettered: part of every work queue. Workers see to it
/// that it does not come to that: see [`SUSPECT_AFTER`].
pub const DELIVERY_LIMIT: u32 = 10;

/// An item that came back unsettled this often may be what its workers were lost with: it goes to the isolation queue.
pub const SUSPECT_AFTER: u32 = 2;

/// The same as [`DELIVERY_LIMIT`], of every isolation queue. What is delivered from there runs alone, so whatever
/// happens to its worker is its own doing.
pub const ISOLATED_DELIVERY_LIMIT: u32 = 2;

/// The name of the queue where a broker that is a server keeps what nobody understands: malformed reports and dead
/// letters. Nothing consumes it; it is there for people.
pub const PARKED: &str = "flotilla.parked.v1";

/// The queues of a deployment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Topology {
    /// Pools of workers.
    pub pools: Vec<Pool>,
    /// Report queues.
    pub shards: u16,
}

impl Topology {
    /// Every queue, dead letters first, so that no queue ever refers to one that does not exist yet.
    #[must_use]
    pub fn queues(&self) -> Vec<Queue> {
        let work = self.pools.iter().cloned().map(Queue::Work);
        let isolate = self.pools.iter().cloned().map(Queue::Isolate);
        std::iter::once(Queue::Dead)
            .chain(Shard::all(self.shards).map(Queue::Reports))
            .chain(work)
            .chain(isolate)
            .collect()
    }
}

/// A queue.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Queue {
    /// Items for a pool.
    Work(Pool),
    /// Items for a pool that have to run alone.
    Isolate(Pool),
    /// Reports of a shard.
    Reports(Shard),
    /// Dead letters.
    Dead,
}

impl fmt::Display for Queue {
    /// Its name on the broker. The version is part of it because a queue's arguments can't change.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Work(pool) => write!(f, "flotilla.work.v2.{pool}"),
            Self::Isolate(pool) => write!(f, "flotilla.isolate.v2.{pool}"),
            Self::Reports(shard) => write!(f, "flotilla.reports.v1.{shard}"),
            Self::Dead => f.write_str("flotilla.dead.v1"),
        }
    }
}

/// How deep a queue is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Depth {
    /// Messages that wait for a consumer.
    pub ready: u32,
    /// Consumers.
    pub consumers: u32,
}

/// A running consumer.
///
/// Dropping `deliveries` stops new ones; those already handed out can still be settled. Dropping all clones of `settle`
/// as well gives back what is unsettled.
pub struct Subscription<M> {
    /// What arrives. Ends only when the broker is closed for good: adapters resubscribe on their own.
    pub deliveries: BoxStream<'static, Delivery<M>>,
    /// Settles deliveries.
    pub settle: Arc<dyn Settle>,
}

/// A message that was delivered and must be settled.
#[derive(Debug)]
pub struct Delivery<M> {
    /// Its handle.
    pub tag: Tag,
    /// How often it was delivered before and came back unsettled.
    pub redeliveries: u32,
    /// The message, or why it can't be understood.
    pub message: Result<M, Malformed>,
}

/// The handle of a delivery. Not `Clone`: a delivery is settled once.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Tag {
    /// Which connection it came over. Settling one of an earlier connection does nothing: the broker has given the
    /// message to somebody else.
    pub generation: u64,
    /// Its number there.
    pub number: u64,
}

/// Settles deliveries of one subscription.
#[async_trait]
pub trait Settle: Send + Sync {
    /// Done with: the broker forgets them. Tags may come in any order.
    async fn ack(&self, tags: Vec<Tag>) -> Result<()>;

    /// Not done with: the broker delivers them again, to anybody.
    async fn release(&self, tags: Vec<Tag>) -> Result<()>;

    /// Never to be delivered again: they become dead letters where the queue has any.
    async fn reject(&self, tags: Vec<Tag>) -> Result<()>;
}

//! Messages to send, and what it takes to receive them.

use std::time::Duration;

use flotilla_core::message::{ItemMessage, ItemReport, Report, Verdict};
use flotilla_core::outcome::Output;
use flotilla_core::ports::broker::{Broker, Delivery, Depth, Queue, Subscription, Tag, Topology};
use flotilla_core::shard::Shard;
use flotilla_core::{BatchId, ItemIndex, Json, Pool, Space, WorkerId};
use futures_util::{FutureExt, StreamExt};
use tokio::time::timeout;
use uuid::Uuid;

use crate::eventually_ok;

/// How long anything may take.
pub const PATIENCE: Duration = Duration::from_secs(30);
/// The shard that cases use.
pub const SHARD: Shard = Shard(1);

/// Two pools and two shards.
#[must_use]
pub fn topology() -> Topology {
    Topology {
        pools: vec![Pool::default(), gpu()],
        shards: 2,
    }
}

/// The other pool.
#[must_use]
pub fn gpu() -> Pool {
    "gpu".parse().expect("a valid name")
}

/// The queue of the default pool.
#[must_use]
pub fn work() -> Queue {
    Queue::Work(Pool::default())
}

/// The isolation queue of the default pool.
#[must_use]
pub fn isolation() -> Queue {
    Queue::Isolate(Pool::default())
}

/// Declares [`topology`].
pub async fn declare(broker: &dyn Broker) {
    broker.declare(&topology()).await.expect("queues are declared");
}

/// An item for the default pool.
#[must_use]
pub fn item(index: ItemIndex) -> ItemMessage {
    ItemMessage {
        batch: BatchId(Uuid::from_u128(7)),
        index,
        attempt: 1,
        max_attempts: 3,
        timeout: Duration::from_secs(30),
        space: Space::default(),
        job_type: "echo".into(),
        pool: Pool::default(),
        traceparent: None,
        epoch: 0,
        isolated: false,
        callback: None,
        input: Json::parse(format!("{{\"n\":{index}}}")).expect("valid JSON"),
    }
}

/// The same item, which has to run alone.
#[must_use]
pub fn suspect(index: ItemIndex) -> ItemMessage {
    ItemMessage {
        isolated: true,
        ..item(index)
    }
}

/// Declares the queues and publishes `count` items for the default pool.
pub async fn publish(broker: &dyn Broker, count: u32) {
    declare(broker).await;
    let items: Vec<_> = (0..count).map(item).collect();
    broker.publish_items(&items).await.expect("items are published");
}

/// A report about the item `index`.
#[must_use]
pub fn report(index: ItemIndex) -> Report {
    let item = ItemReport {
        batch: BatchId(Uuid::from_u128(7)),
        index,
        attempt: 1,
        verdict: Verdict::Done(Output::Inline(Json::parse("{\"a\": 1.50}").expect("valid JSON"))),
        started_at: "2026-11-21T20:00:00Z".parse().expect("a valid time"),
        duration_us: 1_500,
        traceparent: None,
        artifacts: Vec::new(),
    };
    Report::of_items(WorkerId("worker-1".into()), vec![item])
}

/// Consumes the default pool.
pub async fn consume(broker: &dyn Broker, prefetch: u16) -> Subscription<ItemMessage> {
    let subscription = broker.consume_items(&Pool::default(), prefetch).await;
    subscription.expect("the queue can be consumed")
}

/// Consumes the isolation queue of the default pool.
pub async fn consume_isolated(broker: &dyn Broker) -> Subscription<ItemMessage> {
    let subscription = broker.consume_isolated(&Pool::default()).await;
    subscription.expect("the queue can be consumed")
}

/// The next delivery.
///
/// # Panics
/// Where none comes.
pub async fn next<M>(from: &mut Subscription<M>) -> Delivery<M> {
    let delivery = timeout(PATIENCE, from.deliveries.next()).await;
    delivery.expect("a delivery comes").expect("the stream goes on")
}

/// The next `count` deliveries: their tags, and which items they are.
pub async fn take(from: &mut Subscription<ItemMessage>, count: usize) -> (Vec<Tag>, Vec<ItemIndex>) {
    let (mut tags, mut indices) = (Vec::new(), Vec::new());
    for _ in 0..count {
        let delivery = next(from).await;
        tags.push(delivery.tag);
        indices.push(delivery.message.expect("an item that can be read").index);
    }
    (tags, indices)
}

/// True where nothing has arrived that was not taken.
pub fn is_quiet<M>(from: &mut Subscription<M>) -> bool {
    from.deliveries.next().now_or_never().is_none()
}

/// Waits until a queue is as deep as `expected`.
pub async fn wait_for_depth(broker: &dyn Broker, queue: &Queue, expected: impl Fn(Depth) -> bool) {
    eventually_ok("the depth of a queue", PATIENCE, || async {
        match broker.depth(queue).await {
            Ok(depth) if expected(depth) => Ok(()),
            Ok(depth) => Err(format!("{queue}: {depth:?}")),
            Err(error) => Err(error.chain()),
        }
    })
    .await;
}

/// Waits until `ready` messages wait for a consumer.
pub async fn wait_for_ready(broker: &dyn Broker, queue: &Queue, ready: u32) {
    wait_for_depth(broker, queue, |depth| depth.ready == ready).await;
}

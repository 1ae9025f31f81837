//! The [`Broker`] port within one process: bounded queues that obey the whole contract, redelivery, delivery limit,
//! dead letters, prefetch and single active consumers included.
//!
//! Nothing survives the process, and nothing has to: the store knows what was dispatched and not settled, and the
//! publisher sends it again, as it does when a RabbitMQ loses its queues.
//!
//! A queue (`queue`) is a lock around a plain state machine (`state`). Messages are assigned to consumers as they come,
//! round robin among those that have room in their prefetch, so that a slow consumer never keeps work from a free one.
//! Every message keeps its place in the queue that it was published to until it is settled, wherever it is by then:
//! consumers that do not settle fill the queue, and then publishing waits.

mod queue;
mod seat;
mod state;

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use async_trait::async_trait;
use flotilla_core::message::{ItemMessage, Report};
use flotilla_core::ports::broker::{
    Broker, DELIVERY_LIMIT, Depth, ISOLATED_DELIVERY_LIMIT, Queue, Subscription, Topology, Unpublished,
};
use flotilla_core::shard::Shard;
use flotilla_core::{Error, Pool, Result};

use self::queue::MessageQueue;
use self::seat::subscribe;
use self::state::Rules;

const ENGINE: &str = "the embedded broker";

/// Bounds of an [`EmbeddedBroker`].
#[derive(Debug, Clone)]
pub struct BrokerOptions {
    /// The most messages that a queue holds, those that consumers have and did not settle included.
    pub capacity: usize,
    /// How long publishing waits for room.
    pub publish_timeout: Duration,
}

impl Default for BrokerOptions {
    fn default() -> Self {
        Self {
            capacity: 65_536,
            publish_timeout: Duration::from_secs(30),
        }
    }
}

/// Queues in this process.
#[derive(Debug)]
pub struct EmbeddedBroker {
    options: BrokerOptions,
    queues: RwLock<Queues>,
}

#[derive(Debug, Default)]
struct Queues {
    items: HashMap<Queue, Arc<MessageQueue<ItemMessage>>>,
    reports: HashMap<Shard, Arc<MessageQueue<Report>>>,
}

impl EmbeddedBroker {
    /// A broker without queues: [`declare`](Broker::declare) makes them.
    #[must_use]
    pub fn new(options: BrokerOptions) -> Self {
        Self {
            options,
            queues: RwLock::default(),
        }
    }

    fn items(&self, queue: &Queue) -> Result<Arc<MessageQueue<ItemMessage>>> {
        let queues = self.queues.read().unwrap_or_else(PoisonError::into_inner);
        queues.items.get(queue).cloned().ok_or_else(|| missing(queue))
    }

    fn reports(&self, shard: Shard) -> Result<Arc<MessageQueue<Report>>> {
        let queues = self.queues.read().unwrap_or_else(PoisonError::into_inner);
        let queue = queues.reports.get(&shard).cloned();
        queue.ok_or_else(|| missing(&Queue::Reports(shard)))
    }

    async fn publish_by_queue(&self, items: Vec<ItemMessage>) -> Result<()> {
        let mut by_queue: HashMap<Queue, Vec<ItemMessage>> = HashMap::new();
        for item in items {
            let queue = if item.isolated {
                Queue::Isolate
            } else {
                Queue::Work
            }(item.pool.clone());
            by_queue.entry(queue).or_default().push(item);
        }
        // Before anything is published: a call that names a missing queue fails as a whole.
        let targets = by_queue
            .into_iter()
            .map(|(queue, items)| Ok((self.items(&queue)?, items)));
        for (queue, items) in targets.collect::<Result<Vec<_>>>()? {
            queue.publish(items).await?;
        }
        Ok(())
    }
}

impl Queues {
    fn declare(&mut self, queue: Queue, options: &BrokerOptions) {
        match queue {
            Queue::Reports(shard) => {
                let rules = Rules {
                    single_active: true,
                    delivery_limit: None,
                };
                let make = || Arc::new(MessageQueue::new(queue, options, rules, None));
                self.reports.entry(shard).or_insert_with(make);
            }
            Queue::Dead => {
                let make = || Arc::new(MessageQueue::new(Queue::Dead, options, Rules::default(), None));
                self.items.entry(Queue::Dead).or_insert_with(make);
            }
            Queue::Work(_) => self.declare_items(&queue, DELIVERY_LIMIT, options),
            Queue::Isolate(_) => self.declare_items(&queue, ISOLATED_DELIVERY_LIMIT, options),
        }
    }

    fn declare_items(&mut self, queue: &Queue, delivery_limit: u32, options: &BrokerOptions) {
        let rules = Rules {
            single_active: false,
            delivery_limit: Some(delivery_limit),
        };
        let dead = self.items.get(&Queue::Dead).cloned();
        let make = || Arc::new(MessageQueue::new(queue.clone(), options, rules, dead));
        self.items.entry(queue.clone()).or_insert_with(make);
    }
}

fn missing(queue: &Queue) -> Error {
    Error::misconfigured(ENGINE, format!("queue {queue} was not declared"))
}

#[async_trait]
impl Broker for EmbeddedBroker {
    async fn declare(&self, topology: &Topology) -> Result<()> {
        let mut queues = self.queues.write().unwrap_or_else(PoisonError::into_inner);
        for queue in topology.queues() {
            queues.declare(queue, &self.options);
        }
        Ok(())
    }

    async fn check(&self, topology: &Topology) -> Result<()> {
        for queue in topology.queues() {
            self.depth(&queue).await?;
        }
        Ok(())
    }

    async fn publish_items(&self, items: &[ItemMessage]) -> Result<(), Unpublished> {
        let count = items.len();
        let published = self.publish_by_queue(items.to_vec()).await;
        published.map_err(|error| Unpublished::all(count, error))
    }

    async fn publish_report(&self, shard: Shard, report: &Report) -> Result<()> {
        self.reports(shard)?.publish(vec![report.clone()]).await
    }

    async fn consume_items(&self, pool: &Pool, prefetch: u16) -> Result<Subscription<ItemMessage>> {
        subscribe(self.items(&Queue::Work(pool.clone()))?, prefetch)
    }

    async fn consume_isolated(&self, pool: &Pool) -> Result<Subscription<ItemMessage>> {
        subscribe(self.items(&Queue::Isolate(pool.clone()))?, 1)
    }

    async fn consume_reports(&self, shard: Shard, prefetch: u16) -> Result<Subscription<Report>> {
        subscribe(self.reports(shard)?, prefetch)
    }

    async fn consume_dead(&self, prefetch: u16) -> Result<Subscription<ItemMessage>> {
        subscribe(self.items(&Queue::Dead)?, prefetch)
    }

    async fn depth(&self, queue: &Queue) -> Result<Depth> {
        match queue {
            Queue::Reports(shard) => Ok(self.reports(*shard)?.depth()),
            Queue::Work(_) | Queue::Isolate(_) | Queue::Dead => Ok(self.items(queue)?.depth()),
        }
    }

    fn is_volatile(&self) -> bool {
        true
    }

    async fn ping(&self) -> Result<()> {
        Ok(())
    }
}

//! The port.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use flotilla_core::message::{ItemMessage, Report};
use flotilla_core::ports::broker::{Broker, Depth, PARKED, Queue, Subscription, Topology, Unpublished};
use flotilla_core::shard::Shard;
use flotilla_core::{Error, Pool, Result, Shutdown, Tasks};
use url::Url;

use crate::address::Address;
use crate::control::{Call, Control};
use crate::feed::Feeds;
use crate::link::Link;
use crate::live::Live;
use crate::publish::Publisher;
use crate::publishing::Publishing;
use crate::topology;
use crate::wire::{Outgoing, read_item, read_report};
use crate::{ENGINE, Options};

/// How long [`AmqpBroker::close`] waits for its tasks.
const FAREWELL: Duration = Duration::from_secs(10);

/// RabbitMQ, over two supervised connections.
#[derive(Debug)]
pub struct AmqpBroker {
    publisher: Publisher,
    control: Control,
    feeds: Feeds,
    tasks: Tasks,
}

impl AmqpBroker {
    /// Starts to connect to the broker at `url` (`amqp://user:password@host:port/vhost`, or `amqps://`), in the
    /// background. Whether there is one, [`ping`](Broker::ping) and [`check`](Broker::check) tell. `name` is what the
    /// broker's management shows for the connections. Has to be called within a Tokio runtime.
    ///
    /// # Errors
    /// Where the URL can't be understood.
    pub fn connect(url: &Url, name: &str, options: Options) -> Result<Self> {
        let address = Address::parse(url, &options)?;
        let tasks = Tasks::new(Shutdown::new());
        let name = |purpose| format!("{name} ({purpose})");
        let publishing = Link::<Publishing>::open(address.clone(), name("publishing"), &options, &tasks);
        let consuming = Link::<Live>::open(address, name("consuming"), &options, &tasks);
        Ok(Self {
            publisher: Publisher::new(publishing, &options),
            // Not on the other connection: during an alarm, the broker reads nothing from it.
            control: Control::new(consuming.clone(), &options),
            feeds: Feeds {
                link: consuming,
                tasks: tasks.clone(),
                options,
                incarnations: Arc::default(),
            },
            tasks,
        })
    }

    /// Ends all subscriptions and closes the connections. Whatever is unsettled is delivered again.
    ///
    /// # Errors
    /// Where a background task panicked or did not end.
    pub async fn close(&self) -> Result<()> {
        self.tasks.shutdown().drain();
        let ended = self.tasks.clone().finish(FAREWELL).await;
        ended.map_err(|unfinished| Error::unavailable(ENGINE, "closing the connections").because(unfinished))
    }
}

#[async_trait]
impl Broker for AmqpBroker {
    async fn declare(&self, topology: &Topology) -> Result<()> {
        for exchange in topology::EXCHANGES {
            self.control
                .call(Call::Exchange {
                    name: exchange,
                    passive: false,
                })
                .await?;
        }
        for queue in topology::declared(topology) {
            self.control.call(Call::Declare(&queue)).await?;
        }
        Ok(())
    }

    async fn check(&self, topology: &Topology) -> Result<()> {
        for exchange in topology::EXCHANGES {
            self.control
                .call(Call::Exchange {
                    name: exchange,
                    passive: true,
                })
                .await?;
        }
        for queue in topology::declared(topology) {
            self.control.call(Call::Inspect(&queue.name)).await?;
        }
        Ok(())
    }

    async fn publish_items(&self, items: &[ItemMessage]) -> Result<(), Unpublished> {
        let messages: Vec<Outgoing<'_>> = items.iter().map(Outgoing::Item).collect();
        self.publisher.publish(&messages).await
    }

    async fn publish_report(&self, shard: Shard, report: &Report) -> Result<()> {
        let body = report
            .encode()
            .map_err(|error| Error::corrupt(ENGINE, "a report has no JSON form").because(error))?;
        let report = Outgoing::Report { shard, body: &body };
        let published = self.publisher.publish(&[report]).await;
        published.map_err(|unpublished| unpublished.error)
    }

    async fn consume_items(&self, pool: &Pool, prefetch: u16) -> Result<Subscription<ItemMessage>> {
        let queue = Queue::Work(pool.clone()).to_string();
        self.feeds.subscribe(queue, prefetch, read_item)
    }

    async fn consume_isolated(&self, pool: &Pool) -> Result<Subscription<ItemMessage>> {
        let queue = Queue::Isolate(pool.clone()).to_string();
        self.feeds.subscribe(queue, 1, read_item)
    }

    async fn consume_reports(&self, shard: Shard, prefetch: u16) -> Result<Subscription<Report>> {
        let queue = Queue::Reports(shard).to_string();
        self.feeds.subscribe(queue, prefetch, read_report)
    }

    async fn consume_dead(&self, prefetch: u16) -> Result<Subscription<ItemMessage>> {
        self.feeds.subscribe(Queue::Dead.to_string(), prefetch, read_item)
    }

    async fn depth(&self, queue: &Queue) -> Result<Depth> {
        self.control.call(Call::Inspect(&queue.to_string())).await
    }

    async fn parked(&self) -> Result<u32> {
        Ok(self.control.call(Call::Inspect(PARKED)).await?.ready)
    }

    fn is_volatile(&self) -> bool {
        false
    }

    async fn ping(&self) -> Result<()> {
        self.control.call(Call::Ping).await.map(drop)
    }
}

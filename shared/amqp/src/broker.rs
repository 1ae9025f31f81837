//! The port.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use flotilla_core::message::{ItemMessage, Report};
use flotilla_core::ports::broker::{Broker, Depth, Queue, Subscription, Topology, Unpublished};
use flotilla_core::shard::Shard;
use flotilla_core::{Error, Pool, Result, Shutdown, Tasks};
use lapin::ExchangeKind;
use lapin::options::{BasicQosOptions, ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions};
use lapin::types::FieldTable;
use tokio::time::{Instant, timeout_at};
use url::Url;

use crate::address::Address;
use crate::channels::{Channels, Lease};
use crate::fault::{explain, no_answer};
use crate::feed::Feeds;
use crate::link::{Link, Patience};
use crate::publish::Publisher;
use crate::topology::{self, Declared};
use crate::wire::{Outgoing, read_item, read_report};
use crate::{ENGINE, Options};

/// Channels for declaring, checking and counting.
const CONTROL_CHANNELS: usize = 2;
/// How long [`AmqpBroker::close`] waits for its tasks.
const FAREWELL: Duration = Duration::from_secs(10);

/// RabbitMQ, over two supervised connections.
#[derive(Debug)]
pub struct AmqpBroker {
    publisher: Publisher,
    control: Channels,
    feeds: Feeds,
    call_timeout: Duration,
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
        let link = |purpose| Link::open(address.clone(), format!("{name} ({purpose})"), &options, &tasks);
        let (publishing, consuming) = (link("publishing"), link("consuming"));
        Ok(Self {
            publisher: Publisher::new(publishing, &options),
            // Not on the other connection: during an alarm, the broker reads nothing from it.
            control: Channels::new(consuming.clone(), CONTROL_CHANNELS, false),
            call_timeout: options.call_timeout,
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

    /// Runs `call` on a channel of its own, within a bounded time. `doing` and `what` are for the error.
    async fn control<T>(
        &self,
        doing: &str,
        what: &str,
        call: impl AsyncFnOnce(&lapin::Channel) -> lapin::Result<T>,
    ) -> Result<T> {
        let deadline = Instant::now() + self.call_timeout;
        let lease = self.control.lease(deadline, Patience::None).await?;
        on(&lease, deadline, doing, what, call)
            .await
            .inspect(|_| lease.keep())
    }

    async fn declare_exchange(&self, name: &'static str, passive: bool) -> Result<()> {
        let options = ExchangeDeclareOptions {
            passive,
            durable: true,
            ..ExchangeDeclareOptions::default()
        };
        let doing = if passive { "check" } else { "declare" };
        self.control(doing, &format!("exchange {name}"), async |channel| {
            channel
                .exchange_declare(name.into(), ExchangeKind::Direct, options, FieldTable::default())
                .await
        })
        .await
    }

    async fn declare_queue(&self, queue: &Declared) -> Result<()> {
        let options = QueueDeclareOptions {
            durable: true,
            ..QueueDeclareOptions::default()
        };
        let name = queue.name.as_str();
        self.control("declare", &format!("queue {name}"), async |channel| {
            channel.queue_declare(name.into(), options, queue.table()).await?;
            let (exchange, key) = &queue.binding;
            let (options, arguments) = (QueueBindOptions::default(), FieldTable::default());
            channel
                .queue_bind(
                    name.into(),
                    (*exchange).into(),
                    key.as_str().into(),
                    options,
                    arguments,
                )
                .await
        })
        .await
    }

    async fn inspect_queue(&self, name: &str) -> Result<Depth> {
        let options = QueueDeclareOptions {
            passive: true,
            ..QueueDeclareOptions::default()
        };
        self.control("check", &format!("queue {name}"), async |channel| {
            let queue = channel
                .queue_declare(name.into(), options, FieldTable::default())
                .await?;
            Ok(Depth {
                ready: queue.message_count(),
                consumers: queue.consumer_count(),
            })
        })
        .await
    }
}

/// Runs `call` on a leased channel.
async fn on<T>(
    lease: &Lease<'_>,
    deadline: Instant,
    doing: &str,
    what: &str,
    call: impl AsyncFnOnce(&lapin::Channel) -> lapin::Result<T>,
) -> Result<T> {
    let address = lease.live.address();
    match timeout_at(deadline, call(&lease.channel)).await {
        Ok(answer) => answer.map_err(|error| explain(address, doing, what, error)),
        Err(_) => Err(no_answer(address, doing, what)),
    }
}

#[async_trait]
impl Broker for AmqpBroker {
    async fn declare(&self, topology: &Topology) -> Result<()> {
        for exchange in topology::EXCHANGES {
            self.declare_exchange(exchange, false).await?;
        }
        for queue in topology::declared(topology) {
            self.declare_queue(&queue).await?;
        }
        Ok(())
    }

    async fn check(&self, topology: &Topology) -> Result<()> {
        for exchange in topology::EXCHANGES {
            self.declare_exchange(exchange, true).await?;
        }
        for queue in topology::declared(topology) {
            self.inspect_queue(&queue.name).await?;
        }
        Ok(())
    }

    async fn publish_items(&self, items: Vec<ItemMessage>) -> Result<(), Unpublished> {
        self.publisher
            .publish(items.into_iter().map(Outgoing::item))
            .await
    }

    async fn publish_report(&self, shard: Shard, report: &Report) -> Result<()> {
        let report = Outgoing::report(shard, report)?;
        let published = self.publisher.publish(std::iter::once(report)).await;
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
        self.inspect_queue(&queue.to_string()).await
    }

    fn is_volatile(&self) -> bool {
        false
    }

    async fn ping(&self) -> Result<()> {
        self.control("ping", "the broker", async |channel| {
            channel.basic_qos(1, BasicQosOptions::default()).await
        })
        .await
    }
}

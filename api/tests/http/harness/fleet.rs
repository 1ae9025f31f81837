//! A publisher, with a broker whose items the test takes itself.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use flotilla_api::{Callbacks, publisher};
use flotilla_core::message::ItemMessage;
use flotilla_core::ports::broker::{Delivery, Subscription};
use flotilla_core::ports::{Broker, broker::Topology};
use flotilla_core::{Pool, Shutdown, Tasks};
use flotilla_embedded::broker::{BrokerOptions, EmbeddedBroker};
use futures_util::StreamExt;
use tokio::time::timeout;

use super::Api;
use super::stuck::Stuck;

pub(crate) struct Fleet {
    items: Subscription<ItemMessage>,
    isolated: Subscription<ItemMessage>,
    tasks: Tasks,
}

impl Fleet {
    /// Publishes what `api` accepts, for the default pool.
    pub(crate) async fn start(api: &Api) -> Self {
        Self::beside(api, None).await
    }

    /// The same, beside another pool whose queue is silent.
    pub(crate) async fn beside(api: &Api, stuck: Option<Pool>) -> Self {
        let broker = Arc::new(Stuck {
            inner: Arc::new(EmbeddedBroker::new(BrokerOptions::default())),
            pool: stuck.clone(),
        });
        let topology = Topology {
            pools: [Pool::default()].into_iter().chain(stuck).collect(),
            shards: 1,
        };
        broker.declare(&topology).await.unwrap();
        let secret = api.deps.store.secret().await.unwrap();
        let deps = publisher::Deps {
            store: Arc::clone(&api.deps.store),
            broker: Arc::clone(&broker) as Arc<dyn Broker>,
            progress: Arc::clone(&api.deps.progress),
            clock: Arc::clone(&api.deps.clock),
            wake: Arc::clone(&api.deps.wake),
            trace: Arc::clone(&api.deps.trace),
            ceilings: Arc::clone(&api.deps.ceilings),
            weights: Arc::new(HashMap::new()),
            callbacks: Some(Callbacks::new("http://127.0.0.1:7400", secret)),
        };
        let config = publisher::Config {
            lease: Duration::from_secs(5),
            turn_items: 10,
            ..publisher::Config::default()
        };
        let tasks = Tasks::new(Shutdown::new());
        let shutdown = tasks.shutdown().clone();
        tasks.spawn("publisher", async move {
            publisher::run(deps, config, shutdown).await.unwrap();
        });
        Self {
            items: broker.consume_items(&Pool::default(), 1_000).await.unwrap(),
            isolated: broker.consume_isolated(&Pool::default()).await.unwrap(),
            tasks,
        }
    }

    /// The next item that reaches a worker.
    pub(crate) async fn item(&mut self) -> ItemMessage {
        take(&mut self.items).await
    }

    /// The next one that is to run alone.
    pub(crate) async fn isolated(&mut self) -> ItemMessage {
        take(&mut self.isolated).await
    }

    pub(crate) async fn stop(self) {
        self.tasks.shutdown().drain();
        self.tasks.finish(Duration::from_secs(10)).await.unwrap();
    }
}

async fn take(subscription: &mut Subscription<ItemMessage>) -> ItemMessage {
    let next = timeout(Duration::from_secs(20), subscription.deliveries.next());
    let Delivery { tag, message, .. } = next.await.expect("an item").unwrap();
    subscription.settle.ack(vec![tag]).await.unwrap();
    message.unwrap()
}

//! Subscribes to the queues of a worker's pools.

use std::sync::Arc;
use std::time::Duration;

use flotilla_core::message::ItemMessage;
use flotilla_core::ports::Broker;
use flotilla_core::ports::broker::{Delivery, Settle, Subscription};
use flotilla_core::{Pool, Result, Shutdown};
use futures_util::stream::{SelectAll, select_all};
use futures_util::{Stream, StreamExt, stream};
use tokio::time::sleep;

/// Between two attempts to subscribe.
const RESUBSCRIBE: Duration = Duration::from_secs(1);

/// Deliveries of all queues as they come; `None` when one of the subscriptions has ended.
pub(crate) type Deliveries = SelectAll<stream::BoxStream<'static, Option<Delivered>>>;

/// A delivery, and where it came from.
pub(crate) struct Delivered {
    pub(super) delivery: Delivery<ItemMessage>,
    /// Settles it.
    pub(super) settle: Arc<dyn Settle>,
    /// It came over an isolation queue.
    pub(super) isolated: bool,
}

/// The queues that a worker takes from.
pub(crate) struct Queues {
    pub(crate) broker: Arc<dyn Broker>,
    pub(crate) pools: Vec<Pool>,
    pub(crate) prefetch: u16,
}

impl Queues {
    /// Subscribes to the work queue and the isolation queue of each of the pools; an idle subscription costs nothing. A
    /// broker that can't be reached is waited for: `None` where the shutdown came first.
    pub(crate) async fn subscribe(&self, shutdown: &Shutdown) -> Result<Option<Deliveries>> {
        let mut all = Vec::with_capacity(2 * self.pools.len());
        for pool in &self.pools {
            for isolated in [false, true] {
                match persist(self.broker.as_ref(), pool, isolated, self.prefetch, shutdown).await? {
                    Some(subscription) => all.push(tagged(subscription, isolated).boxed()),
                    None => return Ok(None),
                }
            }
        }
        Ok(Some(select_all(all)))
    }
}

async fn persist(
    broker: &dyn Broker,
    pool: &Pool,
    isolated: bool,
    prefetch: u16,
    shutdown: &Shutdown,
) -> Result<Option<Subscription<ItemMessage>>> {
    loop {
        let consume = if isolated {
            broker.consume_isolated(pool)
        } else {
            broker.consume_items(pool, prefetch)
        };
        match shutdown.until_draining(consume).await {
            None => return Ok(None),
            Some(Ok(subscription)) => return Ok(Some(subscription)),
            Some(Err(error)) if error.is_transient() => {
                tracing::warn!(%pool, error = error.chain(), "can't subscribe: trying again");
                shutdown
                    .until_draining(sleep(error.wait().unwrap_or(RESUBSCRIBE)))
                    .await;
            }
            Some(Err(error)) => return Err(error),
        }
    }
}

fn tagged(
    subscription: Subscription<ItemMessage>,
    isolated: bool,
) -> impl Stream<Item = Option<Delivered>> + Send {
    let Subscription { deliveries, settle } = subscription;
    deliveries
        .map(move |delivery| {
            Some(Delivered {
                delivery,
                settle: Arc::clone(&settle),
                isolated,
            })
        })
        .chain(stream::once(std::future::ready(None)))
}

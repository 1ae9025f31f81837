//! Takes items from the queues, when there is somebody to run them.

use std::sync::Arc;
use std::time::Duration;

use flotilla_core::message::ItemMessage;
use flotilla_core::ports::Broker;
use flotilla_core::ports::broker::{Delivery, Settle, Subscription};
use flotilla_core::{Pool, Result, Shutdown};
use futures_util::stream::{SelectAll, select_all};
use futures_util::{Stream, StreamExt, stream};
use tokio::sync::Semaphore;
use tokio::time::sleep;

use crate::runner::Runner;
use crate::ticket::Ticket;

/// Between two attempts to subscribe.
const RESUBSCRIBE: Duration = Duration::from_secs(1);

/// Deliveries of all pools as they come, with the side of their subscription that settles them; `None` when one of the
/// subscriptions has ended.
pub(crate) type Deliveries =
    SelectAll<stream::BoxStream<'static, Option<(Delivery<ItemMessage>, Arc<dyn Settle>)>>>;

/// Why no more items are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ended {
    /// The worker drains.
    Draining,
    /// The broker is closed for good.
    Closed,
}

/// Subscribes to the queues of `pools`. A broker that can't be reached is waited for: `None` where the shutdown came
/// first.
pub(crate) async fn subscribe(
    broker: &dyn Broker,
    pools: &[Pool],
    prefetch: u16,
    shutdown: &Shutdown,
) -> Result<Option<Deliveries>> {
    let mut all = Vec::with_capacity(pools.len());
    for pool in pools {
        loop {
            match shutdown
                .until_draining(broker.consume_items(pool, prefetch))
                .await
            {
                None => return Ok(None),
                Some(Ok(subscription)) => break all.push(tagged(subscription).boxed()),
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
    Ok(Some(select_all(all)))
}

fn tagged(
    subscription: Subscription<ItemMessage>,
) -> impl Stream<Item = Option<(Delivery<ItemMessage>, Arc<dyn Settle>)>> + Send {
    let Subscription { deliveries, settle } = subscription;
    deliveries
        .map(move |delivery| Some((delivery, Arc::clone(&settle))))
        .chain(stream::once(std::future::ready(None)))
}

/// Permit first, then delivery: an item that nobody here can run yet stays with the broker, where another worker may
/// get it. All pools share the permits through one stream, so that no pool sits on one while it has nothing to do.
pub(crate) async fn take_items(mut deliveries: Deliveries, runner: Arc<Runner>, concurrency: u32) -> Ended {
    let permits = Arc::new(Semaphore::new(concurrency as usize));
    let shutdown = runner.shutdown().clone();
    let next = async |deliveries: &mut Deliveries| {
        let permit = Arc::clone(&permits).acquire_owned().await.ok()?;
        let (delivery, settle) = deliveries.next().await??;
        Some((permit, delivery, settle))
    };
    loop {
        match shutdown.until_draining(next(&mut deliveries)).await {
            None => return Ended::Draining,
            Some(None) => return Ended::Closed,
            Some(Some((permit, delivery, settle))) => {
                let ticket = Ticket::new(delivery.tag, settle, runner.hold());
                runner.start(permit, ticket, delivery.message);
            }
        }
    }
}

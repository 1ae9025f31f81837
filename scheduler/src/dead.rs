//! Dead letters become failed outcomes: an item that no worker could finish must not keep its batch waiting.

use std::time::Duration;

use flotilla_core::message::ItemMessage;
use flotilla_core::outcome::{Ending, ItemError, ItemErrorKind, Outcome};
use flotilla_core::ports::broker::{Delivery, Settle, Subscription};
use flotilla_core::{Clock, Result, Shutdown};
use futures_util::StreamExt;

use crate::running::RunningItems;
use crate::{Deps, deliveries, publish, record};

/// Dead letters fetched ahead, and the most that one transaction takes.
const PREFETCH: u16 = 64;
/// Between attempts to subscribe.
const RESUBSCRIBE: Duration = Duration::from_secs(1);

/// Runs until the shutdown drains.
pub(crate) async fn run(deps: Deps, running: RunningItems, shutdown: Shutdown) {
    while !shutdown.is_draining() {
        match deps.broker.consume_dead(PREFETCH).await {
            Ok(subscription) => consume(&deps, &running, subscription, &shutdown).await,
            Err(error) => tracing::warn!(error = error.chain(), "no dead letters"),
        }
        shutdown.until_draining(tokio::time::sleep(RESUBSCRIBE)).await;
    }
}

async fn consume(
    deps: &Deps,
    running: &RunningItems,
    subscription: Subscription<ItemMessage>,
    shutdown: &Shutdown,
) {
    let Subscription { deliveries, settle } = subscription;
    let mut chunks = deliveries.ready_chunks(PREFETCH.into());
    while let Some(chunk) = deliveries::next(&mut chunks, shutdown).await {
        if let Err(error) = bury(deps, running, chunk, settle.as_ref(), shutdown).await {
            tracing::warn!(error = error.chain(), "dead letters go back to the queue");
        }
    }
}

async fn bury(
    deps: &Deps,
    running: &RunningItems,
    chunk: Vec<Delivery<ItemMessage>>,
    settle: &dyn Settle,
    shutdown: &Shutdown,
) -> Result<()> {
    let (mut tags, mut outcomes) = (Vec::with_capacity(chunk.len()), Vec::with_capacity(chunk.len()));
    for Delivery { tag, message, .. } in chunk {
        match message {
            Ok(item) => {
                tags.push(tag);
                outcomes.push(outcome(&item, deps.clock.as_ref()));
            }
            // It names no item that this program knows, so no batch waits for it.
            Err(malformed) => {
                tracing::error!(reason = %malformed, "a dead letter can't be understood and is parked");
                settle.reject(vec![tag]).await?;
            }
        }
    }
    if outcomes.is_empty() {
        return Ok(());
    }
    let changed = match record::record(deps, || outcomes.clone(), shutdown).await {
        Ok(changed) => changed,
        Err(error) => {
            settle.release(tags).await?;
            return Err(error);
        }
    };
    tracing::warn!(
        items = outcomes.len(),
        "items failed because workers were lost with them"
    );
    publish::publish(deps, running, &changed).await;
    settle.ack(tags).await
}

fn outcome(item: &ItemMessage, clock: &dyn Clock) -> Outcome {
    let error = ItemError::new(
        ItemErrorKind::WorkerLost,
        "every worker that took this item was lost or gave it back without finishing it",
    );
    Outcome {
        batch: item.batch,
        index: item.index,
        attempt: item.attempt,
        ending: Ending::Failed(error),
        started_at: clock.now(),
        duration_us: 0,
        worker: None,
    }
}

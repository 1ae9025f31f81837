//! Dead letters become failed outcomes: an item that no worker could finish must not keep its batch waiting.

use std::time::Duration;

use flotilla_core::attempt::Attempt;
use flotilla_core::message::{ItemMessage, Verdict};
use flotilla_core::place::worker_lost;
use flotilla_core::ports::broker::{Delivery, Settle, Subscription, Tag};
use flotilla_core::{Clock, Result};
use futures_util::StreamExt;

use crate::count::{Counter, Told, park};

/// Dead letters fetched ahead, and the most that one transaction takes.
const PREFETCH: u16 = 64;
/// Between attempts to subscribe.
const RESUBSCRIBE: Duration = Duration::from_secs(1);

/// Runs until it is time to stop.
pub(crate) async fn run(counter: Counter) {
    let ending = &counter.ending;
    while !ending.is_draining() {
        let subscribed = counter.deps.broker.consume_dead(PREFETCH);
        match ending.until_draining(subscribed).await {
            Some(Ok(subscription)) => consume(&counter, subscription).await,
            Some(Err(error)) => tracing::warn!(error = error.chain(), "no dead letters"),
            None => return,
        }
        ending.until_draining(tokio::time::sleep(RESUBSCRIBE)).await;
    }
}

async fn consume(counter: &Counter, subscription: Subscription<ItemMessage>) {
    let Subscription { deliveries, settle } = subscription;
    let ending = &counter.ending;
    let mut chunks = deliveries.ready_chunks(PREFETCH.into());
    while let Some(chunk) = ending.next(&mut chunks).await {
        match ending.until_aborting(bury(counter, chunk, settle.as_ref())).await {
            Some(Ok(())) => {}
            Some(Err(error)) => {
                tracing::warn!(error = error.chain(), "dead letters go back to the queue");
                // They would come again at once.
                if ending.is_draining() {
                    return;
                }
            }
            None => return,
        }
    }
}

async fn bury(counter: &Counter, chunk: Vec<Delivery<ItemMessage>>, settle: &dyn Settle) -> Result<()> {
    let (mut letters, mut malformed) = (Vec::with_capacity(chunk.len()), Vec::new());
    for Delivery { tag, message, .. } in chunk {
        match message {
            Ok(item) => letters.push(told(tag, item, counter.deps.clock.as_ref())),
            // It names no item that this program knows, so no batch waits for it.
            Err(reason) => {
                tracing::error!(%reason, "a dead letter can't be understood and is parked");
                malformed.push(tag);
            }
        }
    }
    let parked = park(malformed, settle).await;
    let items = letters.len();
    counter.count(letters, settle).await?;
    if items > 0 {
        tracing::warn!(items, "items came back that workers were lost with");
    }
    parked
}

fn told(tag: Tag, item: ItemMessage, clock: &dyn Clock) -> Told {
    let attempt = Attempt {
        batch: item.batch,
        index: item.index,
        attempt: item.attempt,
        verdict: Verdict::Fail(worker_lost()),
        started_at: clock.now(),
        duration_us: 0,
        worker: None,
        artifacts: Vec::new(),
    };
    Told {
        tag,
        attempts: vec![attempt],
        traceparent: item.traceparent,
    }
}

//! The worker's side of a delivery: to be settled once, in one of three ways.

use std::sync::Arc;
use std::time::Duration;

use flotilla_core::Result;
use flotilla_core::ports::broker::{Settle, Tag};
use tokio::time::timeout;

/// The broker forgets a delivery that it can't hear about, and delivers it again: there is nothing to wait long for.
const SETTLE_TIMEOUT: Duration = Duration::from_secs(5);

/// A delivery in hand. Dropped unsettled it stays with the broker, which gives it to somebody else when this worker's
/// subscription ends.
pub(crate) struct Ticket {
    tag: Tag,
    settle: Arc<dyn Settle>,
}

impl Ticket {
    pub(crate) fn new(tag: Tag, settle: Arc<dyn Settle>) -> Self {
        Self { tag, settle }
    }

    /// Nobody can do it.
    pub(crate) async fn reject(self) {
        settled("dead-letter an item", self.settle.reject(vec![self.tag])).await;
    }

    /// Done: all of them, with one call per subscription.
    pub(crate) async fn ack_all(tickets: Vec<Self>) {
        for (settle, tags) in by_subscription(tickets) {
            settled("acknowledge items", settle.ack(tags)).await;
        }
    }

    /// Not done, and nothing can be reported: somebody else may have them. The last resort, because the broker counts it
    /// against the items.
    pub(crate) async fn release_all(tickets: Vec<Self>) {
        for (settle, tags) in by_subscription(tickets) {
            settled("give items back", settle.release(tags)).await;
        }
    }
}

fn by_subscription(tickets: Vec<Ticket>) -> Vec<(Arc<dyn Settle>, Vec<Tag>)> {
    let mut grouped: Vec<(Arc<dyn Settle>, Vec<Tag>)> = Vec::new();
    for Ticket { tag, settle } in tickets {
        match grouped.iter_mut().find(|(known, _)| Arc::ptr_eq(known, &settle)) {
            Some((_, tags)) => tags.push(tag),
            None => grouped.push((settle, vec![tag])),
        }
    }
    grouped
}

/// A delivery that could not be settled comes again: at least once is what was promised, so it is no more than a note.
async fn settled(what: &str, call: impl Future<Output = Result<()>>) {
    match timeout(SETTLE_TIMEOUT, call).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::warn!(
            error = error.chain(),
            "can't {what}: the broker will deliver again"
        ),
        Err(_) => tracing::warn!("can't {what} within {SETTLE_TIMEOUT:?}: the broker will deliver again"),
    }
}

//! A consumer's place at a queue.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};

use async_trait::async_trait;
use flotilla_core::ports::broker::{Delivery, Settle, Subscription, Tag};
use flotilla_core::{Error, Result};
use futures_util::{Stream, StreamExt};

use super::ENGINE;
use super::queue::MessageQueue;
use super::state::Fate;

/// Numbers consumers, so that a tag of one is never taken for another's.
static NEXT: AtomicU64 = AtomicU64::new(1);

/// Takes a place at `queue`.
pub(super) fn subscribe<M>(queue: Arc<MessageQueue<M>>, prefetch: u16) -> Result<Subscription<M>>
where
    M: Clone + Send + Sync + 'static,
{
    if prefetch == 0 {
        return Err(Error::misconfigured(ENGINE, "the prefetch must be at least 1"));
    }
    let id = NEXT.fetch_add(1, Ordering::Relaxed);
    queue.subscribe(id, prefetch);
    let seat = Arc::new(Seat { queue, id });
    let deliveries = Deliveries(Arc::clone(&seat));
    Ok(Subscription {
        deliveries: deliveries.boxed(),
        settle: seat,
    })
}

/// Both halves of a subscription share it. With the last of them, what is unsettled goes back.
struct Seat<M: Clone> {
    queue: Arc<MessageQueue<M>>,
    id: u64,
}

impl<M: Clone> Seat<M> {
    fn settle(&self, fate: Fate, tags: Vec<Tag>) {
        let own = tags.into_iter().filter(|tag| tag.generation == self.id);
        self.queue.settle(self.id, fate, own.map(|tag| tag.number));
    }
}

impl<M: Clone> Drop for Seat<M> {
    fn drop(&mut self) {
        self.queue.remove(self.id);
    }
}

#[async_trait]
impl<M: Clone + Send + Sync> Settle for Seat<M> {
    async fn ack(&self, tags: Vec<Tag>) -> Result<()> {
        self.settle(Fate::Ack, tags);
        Ok(())
    }

    async fn release(&self, tags: Vec<Tag>) -> Result<()> {
        self.settle(Fate::Release, tags);
        Ok(())
    }

    async fn reject(&self, tags: Vec<Tag>) -> Result<()> {
        self.settle(Fate::Reject, tags);
        Ok(())
    }
}

/// What arrives. Dropping it ends the deliveries.
struct Deliveries<M: Clone>(Arc<Seat<M>>);

impl<M: Clone> Stream for Deliveries<M> {
    type Item = Delivery<M>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        // There is always more: without a budget, a busy consumer would never let its thread go.
        let budget = ready!(tokio::task::coop::poll_proceed(cx));
        let seat = &self.0;
        let Some((number, redeliveries, message)) = seat.queue.next(seat.id, cx.waker()) else {
            return Poll::Pending;
        };
        budget.made_progress();
        Poll::Ready(Some(Delivery {
            tag: Tag {
                generation: seat.id,
                number,
            },
            redeliveries,
            message: Ok(message),
        }))
    }
}

impl<M: Clone> Drop for Deliveries<M> {
    fn drop(&mut self) {
        self.0.queue.cancel(self.0.id);
    }
}

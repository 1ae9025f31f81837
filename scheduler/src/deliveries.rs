//! Taking deliveries, until the end of a shutdown.

use std::future::Future;

use flotilla_core::Shutdown;
use flotilla_core::ports::Broker;
use futures_util::{FutureExt, Stream, StreamExt};
use tokio::task::unconstrained;

/// When to stop taking deliveries and recording them.
///
/// With most brokers that is as soon as the shutdown drains: what is not acknowledged is delivered again, to a scheduler
/// that goes on. With a broker that ends with this process there is no again: what it holds is taken until it is empty.
#[derive(Clone)]
pub(crate) struct Ending {
    shutdown: Shutdown,
    volatile: bool,
}

impl Ending {
    pub(crate) fn new(broker: &dyn Broker, shutdown: Shutdown) -> Self {
        Self {
            volatile: broker.is_volatile(),
            shutdown,
        }
    }

    /// True once nothing new is subscribed to.
    pub(crate) fn is_draining(&self) -> bool {
        self.shutdown.is_draining()
    }

    /// Waits for `future`, but not into a drain.
    pub(crate) async fn until_draining<F: Future>(&self, future: F) -> Option<F::Output> {
        self.shutdown.until_draining(future).await
    }

    /// Waits for `future` as long as anything is still worth recording.
    pub(crate) async fn until_over<F: Future>(&self, future: F) -> Option<F::Output> {
        if self.volatile {
            self.shutdown.until_aborting(future).await
        } else {
            self.shutdown.until_draining(future).await
        }
    }

    /// Waits for `future` unless the shutdown aborts.
    pub(crate) async fn until_aborting<F: Future>(&self, future: F) -> Option<F::Output> {
        self.shutdown.until_aborting(future).await
    }

    /// True once nothing more is to be recorded.
    pub(crate) fn is_over(&self) -> bool {
        self.shutdown.is_aborting() || (self.shutdown.is_draining() && !self.volatile)
    }

    /// The next deliveries; nothing once it is time to stop.
    pub(crate) async fn next<T>(&self, deliveries: &mut (impl Stream<Item = T> + Unpin)) -> Option<T> {
        if let Some(next) = self.shutdown.until_draining(deliveries.next()).await {
            return next;
        }
        if self.is_over() {
            return None;
        }
        // Without a budget, so that an empty queue is told from a task that had its turn.
        unconstrained(deliveries.next()).now_or_never().flatten()
    }
}

#[cfg(test)]
mod tests {
    use futures_util::stream;

    use super::*;

    fn ending(volatile: bool) -> Ending {
        Ending {
            shutdown: Shutdown::new(),
            volatile,
        }
    }

    #[tokio::test]
    async fn a_queue_that_is_never_empty_does_not_hold_a_drain_up() {
        let ending = ending(false);
        let mut endless = stream::repeat(1);
        assert_eq!(ending.next(&mut endless).await, Some(1));
        ending.shutdown.drain();
        assert_eq!(ending.next(&mut endless).await, None);
        assert!(ending.is_over());
    }

    #[tokio::test]
    async fn what_would_be_forgotten_is_taken_until_nothing_is_left() {
        let ending = ending(true);
        ending.shutdown.drain();
        // More than a task may take in one turn.
        let mut left = stream::iter(0..1_000).chain(stream::pending());
        for expected in 0..1_000 {
            assert_eq!(ending.next(&mut left).await, Some(expected));
        }
        assert!(!ending.is_over());
        assert_eq!(ending.next(&mut left).await, None);
    }

    #[tokio::test]
    async fn an_abort_ends_that_too() {
        let ending = ending(true);
        ending.shutdown.abort();
        assert_eq!(ending.next(&mut stream::repeat(1)).await, None);
        assert!(ending.is_over());
    }
}

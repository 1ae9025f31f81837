//! Items that take long: their deliveries are settled while they run.
//!
//! RabbitMQ closes the channel of a consumer that keeps a delivery for half an hour, and all its other deliveries go
//! back with it. So an attempt that takes long is reported as leased; the store then knows who runs it and until when to
//! believe that, and the delivery has nothing left to say.

use std::convert::Infallible;
use std::time::Duration;

use flotilla_core::message::{ItemReport, Verdict};
use tokio::sync::mpsc;
use tokio::time::sleep;

use crate::report::Finished;
use crate::ticket::Ticket;

/// When an attempt is leased, and for how long.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Terms {
    pub(crate) after: Duration,
    pub(crate) ttl: Duration,
}

/// The delivery of an item that runs, until the item is leased instead.
pub(crate) struct Lease {
    terms: Terms,
    ticket: Option<Ticket>,
    finished: mpsc::Sender<Finished>,
}

impl Lease {
    pub(crate) fn new(terms: Terms, ticket: Ticket, finished: mpsc::Sender<Finished>) -> Self {
        Self {
            terms,
            ticket: Some(ticket),
            finished,
        }
    }

    /// Reports the item as leased when it has run for long, and again after each third of the lease. May be dropped at
    /// any time: the delivery is part of either this or a report, never of neither.
    pub(crate) async fn keep(&mut self, report: impl Fn(Verdict) -> ItemReport) -> Infallible {
        sleep(self.terms.after).await;
        let ttl_ms = u64::try_from(self.terms.ttl.as_millis()).unwrap_or(u64::MAX);
        while let Ok(room) = self.finished.reserve().await {
            let report = report(Verdict::Leased { ttl_ms });
            if self.ticket.is_some() {
                tracing::info!(
                    batch = %report.batch,
                    index = report.index,
                    "the item takes long: its delivery is settled, and it goes on under a lease"
                );
            }
            room.send(Finished {
                report,
                ticket: self.ticket.take(),
                held: None,
            });
            sleep(self.terms.ttl / 3).await;
        }
        // Nobody reports any more: the worker ends.
        std::future::pending().await
    }

    /// The delivery, unless the item was leased.
    pub(crate) fn end(self) -> Option<Ticket> {
        self.ticket
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use async_trait::async_trait;
    use flotilla_core::BatchId;
    use flotilla_core::Result;
    use flotilla_core::ports::broker::{Settle, Tag};
    use jiff::Timestamp;
    use tokio::time::{Instant, timeout};

    use super::*;

    #[derive(Default)]
    struct Nobody(Mutex<Vec<Tag>>);

    #[async_trait]
    impl Settle for Nobody {
        async fn ack(&self, tags: Vec<Tag>) -> Result<()> {
            self.0.lock().unwrap().extend(tags);
            Ok(())
        }

        async fn release(&self, _tags: Vec<Tag>) -> Result<()> {
            Ok(())
        }

        async fn reject(&self, _tags: Vec<Tag>) -> Result<()> {
            Ok(())
        }
    }

    fn lease() -> (Lease, mpsc::Receiver<Finished>) {
        let (finished, reported) = mpsc::channel(1);
        let terms = Terms {
            after: Duration::from_secs(600),
            ttl: Duration::from_secs(300),
        };
        let tag = Tag {
            generation: 1,
            number: 1,
        };
        let ticket = Ticket::new(tag, Arc::new(Nobody::default()));
        (Lease::new(terms, ticket, finished), reported)
    }

    fn report(verdict: Verdict) -> ItemReport {
        ItemReport {
            batch: BatchId(uuid::Uuid::nil()),
            index: 0,
            attempt: 1,
            verdict,
            started_at: Timestamp::UNIX_EPOCH,
            duration_us: 0,
            traceparent: None,
            artifacts: Vec::new(),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_short_item_keeps_its_delivery() {
        let (mut lease, mut reported) = lease();
        assert!(
            timeout(Duration::from_secs(599), lease.keep(report))
                .await
                .is_err()
        );
        assert!(lease.end().is_some());
        assert!(reported.recv().await.is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn a_long_one_is_leased_and_renews() {
        let (mut lease, mut reported) = lease();
        let began = Instant::now();
        for (n, after) in [600, 700, 800].into_iter().enumerate() {
            let finished = tokio::select! {
                finished = reported.recv() => finished.unwrap(),
                never = lease.keep(report), if n == 0 => match never {},
            };
            assert_eq!(began.elapsed().as_secs(), after);
            assert_eq!(finished.report.verdict, Verdict::Leased { ttl_ms: 300_000 });
            assert_eq!(finished.ticket.is_some(), n == 0);
            if n == 0 {
                break;
            }
        }
        assert!(lease.end().is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn a_lease_that_can_not_be_reported_keeps_the_delivery() {
        let (mut lease, mut reported) = lease();
        let full = Finished {
            report: report(Verdict::Lost),
            ticket: None,
            held: None,
        };
        assert!(lease.finished.try_send(full).is_ok());
        assert!(
            timeout(Duration::from_secs(3_600), lease.keep(report))
                .await
                .is_err()
        );
        assert!(lease.end().is_some());
        assert!(reported.recv().await.is_some());
    }
}

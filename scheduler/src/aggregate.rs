//! Turns the reports of one shard into counts.

use std::time::Duration;

use flotilla_core::Result;
use flotilla_core::message::Report;
use flotilla_core::ports::broker::{Delivery, Settle, Subscription, Tag};
use flotilla_core::shard::Shard;
use flotilla_core::worker::WorkerStatus;
use futures_util::StreamExt;

use crate::Config;
use crate::count::{Counter, Told, park};

/// Between attempts to subscribe.
const RESUBSCRIBE: Duration = Duration::from_secs(1);
/// How long the live view may take to note a heartbeat.
const HEARTBEAT_PATIENCE: Duration = Duration::from_millis(500);

/// The aggregation of one shard.
pub(crate) struct Aggregate {
    counter: Counter,
    prefetch: u16,
    worker_ttl: Duration,
    shard: Shard,
}

impl Aggregate {
    pub(crate) fn new(counter: Counter, config: &Config, shard: Shard) -> Self {
        Self {
            counter,
            prefetch: config.prefetch,
            worker_ttl: config.worker_ttl,
            shard,
        }
    }

    /// Runs until it is time to stop. What is being recorded then is recorded; what is not acknowledged goes to another
    /// scheduler.
    pub(crate) async fn run(self) {
        let ending = &self.counter.ending;
        while !ending.is_draining() {
            let broker = &self.counter.deps.broker;
            let subscribed = broker.consume_reports(self.shard, self.prefetch);
            match ending.until_draining(subscribed).await {
                Some(Ok(subscription)) => self.consume(subscription).await,
                Some(Err(error)) => {
                    tracing::warn!(shard = %self.shard, error = error.chain(), "no reports");
                }
                None => return,
            }
            ending.until_draining(tokio::time::sleep(RESUBSCRIBE)).await;
        }
    }

    async fn consume(&self, subscription: Subscription<Report>) {
        let Subscription { deliveries, settle } = subscription;
        let ending = &self.counter.ending;
        let mut chunks = deliveries.ready_chunks(self.prefetch.into());
        while let Some(chunk) = ending.next(&mut chunks).await {
            match ending.until_aborting(self.handle(chunk, settle.as_ref())).await {
                Some(Ok(())) => {}
                Some(Err(error)) => {
                    tracing::warn!(shard = %self.shard, error = error.chain(), "reports can't be settled and will come again");
                    // They would come again at once.
                    if ending.is_draining() {
                        return;
                    }
                }
                None => return,
            }
        }
    }

    async fn handle(&self, chunk: Vec<Delivery<Report>>, settle: &dyn Settle) -> Result<()> {
        let (mut reports, mut malformed) = (Vec::with_capacity(chunk.len()), Vec::new());
        let mut heartbeats = Vec::new();
        for Delivery { tag, message, .. } in chunk {
            match message {
                Ok(mut report) => {
                    heartbeats.extend(report.heartbeat.take());
                    reports.push(told(tag, report));
                }
                Err(reason) => {
                    tracing::error!(shard = %self.shard, %reason, "a report can't be understood and is parked");
                    malformed.push(tag);
                }
            }
        }
        let parked = park(malformed, settle).await;
        self.note_heartbeats(&heartbeats).await;
        self.counter.count(reports, settle).await.and(parked)
    }

    /// Best effort: the next one comes within seconds.
    async fn note_heartbeats(&self, heartbeats: &[WorkerStatus]) {
        for worker in heartbeats {
            let progress = &self.counter.deps.progress;
            let noted = progress.heartbeat(worker, self.worker_ttl);
            match tokio::time::timeout(HEARTBEAT_PATIENCE, noted).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::debug!(error = error.chain(), "a heartbeat is not shown"),
                Err(_) => tracing::debug!("a heartbeat is not shown in time"),
            }
        }
    }
}

fn told(tag: Tag, report: Report) -> Told {
    let Report {
        worker, mut items, ..
    } = report;
    let traceparent = items.iter_mut().find_map(|item| item.traceparent.take());
    let attempts = items.into_iter().map(|item| item.into_attempt(worker.clone()));
    Told {
        tag,
        attempts: attempts.collect(),
        traceparent,
    }
}

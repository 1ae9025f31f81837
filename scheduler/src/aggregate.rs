//! Turns the reports of one shard into counts.

use std::time::Duration;

use flotilla_core::message::Report;
use flotilla_core::outcome::Outcome;
use flotilla_core::ports::broker::{Delivery, Settle, Subscription, Tag};
use flotilla_core::shard::Shard;
use flotilla_core::worker::WorkerStatus;
use flotilla_core::{Result, Shutdown};
use futures_util::StreamExt;
use tracing::Instrument;

use crate::running::RunningItems;
use crate::{Config, Deps, deliveries, publish, record};

/// Between attempts to subscribe.
const RESUBSCRIBE: Duration = Duration::from_secs(1);
/// How long the live view may take to note a heartbeat.
const HEARTBEAT_PATIENCE: Duration = Duration::from_millis(500);

/// The aggregation of one shard.
pub(crate) struct Aggregate {
    deps: Deps,
    config: Config,
    shard: Shard,
    running: RunningItems,
}

impl Aggregate {
    pub(crate) fn new(deps: Deps, config: Config, shard: Shard, running: RunningItems) -> Self {
        Self {
            deps,
            config,
            shard,
            running,
        }
    }

    /// Runs until the shutdown drains. What is being recorded then is recorded; what is not acknowledged goes to
    /// another scheduler.
    pub(crate) async fn run(self, shutdown: Shutdown) {
        while !shutdown.is_draining() {
            match self
                .deps
                .broker
                .consume_reports(self.shard, self.config.prefetch)
                .await
            {
                Ok(subscription) => self.consume(subscription, &shutdown).await,
                Err(error) => tracing::warn!(shard = %self.shard, error = error.chain(), "no reports"),
            }
            shutdown.until_draining(tokio::time::sleep(RESUBSCRIBE)).await;
        }
    }

    async fn consume(&self, subscription: Subscription<Report>, shutdown: &Shutdown) {
        let Subscription { deliveries, settle } = subscription;
        let mut chunks = deliveries.ready_chunks(self.config.prefetch.into());
        while let Some(chunk) = deliveries::next(&mut chunks, shutdown).await {
            if let Err(error) = self.handle(Chunk::of(chunk), settle.as_ref(), shutdown).await {
                tracing::warn!(shard = %self.shard, error = error.chain(), "reports go back to the queue");
            }
        }
    }

    async fn handle(&self, mut chunk: Chunk, settle: &dyn Settle, shutdown: &Shutdown) -> Result<()> {
        for (tag, reason) in chunk.malformed.drain(..) {
            tracing::error!(shard = %self.shard, reason, "a report can't be understood and is parked");
            settle.reject(vec![tag]).await?;
        }
        self.note_heartbeats(&chunk.heartbeats).await;
        if !chunk.outcomes.is_empty() {
            let span = tracing::info_span!("record", outcomes = chunk.outcomes.len());
            if let Some(traceparent) = &chunk.traceparent {
                self.deps.trace.attach(&span, traceparent);
            }
            self.count(&chunk.outcomes, shutdown).instrument(span).await?;
        }
        settle.ack(chunk.tags).await
    }

    async fn count(&self, outcomes: &[Outcome], shutdown: &Shutdown) -> Result<()> {
        let changed = record::record(&self.deps, outcomes, shutdown).await?;
        for batch in changed.iter().filter(|batch| batch.state.is_final()) {
            tracing::info!(
                batch = %batch.id,
                state = %batch.state,
                succeeded = batch.counts.succeeded,
                failed = batch.counts.failed,
                "batch ended"
            );
        }
        publish::publish(&self.deps, &self.running, &changed).await;
        Ok(())
    }

    /// Best effort: the next one comes within seconds.
    async fn note_heartbeats(&self, heartbeats: &[WorkerStatus]) {
        for worker in heartbeats {
            let noted = self.deps.progress.heartbeat(worker, self.config.worker_ttl);
            match tokio::time::timeout(HEARTBEAT_PATIENCE, noted).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::debug!(error = error.chain(), "a heartbeat is not shown"),
                Err(_) => tracing::debug!("a heartbeat is not shown in time"),
            }
        }
    }
}

/// Deliveries that are settled together.
#[derive(Default)]
struct Chunk {
    outcomes: Vec<Outcome>,
    heartbeats: Vec<WorkerStatus>,
    tags: Vec<Tag>,
    malformed: Vec<(Tag, String)>,
    /// Of the first item that has one: a transaction covers many items, and a span has one parent.
    traceparent: Option<String>,
}

impl Chunk {
    fn of(deliveries: Vec<Delivery<Report>>) -> Self {
        let mut chunk = Self::default();
        for Delivery { tag, message, .. } in deliveries {
            match message {
                Ok(report) => {
                    chunk.tags.push(tag);
                    chunk.add(report);
                }
                Err(malformed) => chunk.malformed.push((tag, malformed.to_string())),
            }
        }
        chunk
    }

    fn add(&mut self, report: Report) {
        let Report {
            worker,
            items,
            heartbeat,
            ..
        } = report;
        self.heartbeats.extend(heartbeat);
        self.outcomes.reserve(items.len());
        for mut item in items {
            self.traceparent = self.traceparent.take().or_else(|| item.traceparent.take());
            self.outcomes.push(item.into_outcome(worker.clone()));
        }
    }
}

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

/// Outcomes per transaction, at most, unless a single report has more: bounds how long one takes.
const MAX_OUTCOMES: usize = 5_000;
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
            if let Err(error) = self.handle(chunk, settle.as_ref(), shutdown).await {
                tracing::warn!(shard = %self.shard, error = error.chain(), "reports can't be settled and will come again");
            }
        }
    }

    async fn handle(
        &self,
        chunk: Vec<Delivery<Report>>,
        settle: &dyn Settle,
        shutdown: &Shutdown,
    ) -> Result<()> {
        let mut reports = Vec::with_capacity(chunk.len());
        for Delivery { tag, message, .. } in chunk {
            match message {
                Ok(report) => reports.push(Counted::of(tag, report)),
                Err(malformed) => {
                    tracing::error!(shard = %self.shard, reason = %malformed, "a report can't be understood and is parked");
                    settle.reject(vec![tag]).await?;
                }
            }
        }
        let heartbeats: Vec<_> = reports
            .iter_mut()
            .filter_map(|report| report.heartbeat.take())
            .collect();
        self.note_heartbeats(&heartbeats).await;
        for group in groups(reports) {
            self.count_together(group, settle, shutdown).await?;
        }
        Ok(())
    }

    /// Counts reports in one transaction. Where the store refuses that, one by one, so that a report which can't be
    /// counted is parked alone.
    async fn count_together(
        &self,
        group: Vec<Counted>,
        settle: &dyn Settle,
        shutdown: &Shutdown,
    ) -> Result<()> {
        match self.count(&group, shutdown).await {
            Ok(()) => settle.ack(tags(group)).await,
            Err(error) if record::is_refusal(&error) && group.len() == 1 => {
                tracing::error!(shard = %self.shard, error = error.chain(), "a report can't be counted and is parked");
                settle.reject(tags(group)).await
            }
            Err(error) if record::is_refusal(&error) => {
                for report in group {
                    Box::pin(self.count_together(vec![report], settle, shutdown)).await?;
                }
                Ok(())
            }
            Err(error) => {
                settle.release(tags(group)).await?;
                Err(error)
            }
        }
    }

    async fn count(&self, group: &[Counted], shutdown: &Shutdown) -> Result<()> {
        let outcomes = || {
            group
                .iter()
                .flat_map(|report| report.outcomes.iter().cloned())
                .collect::<Vec<_>>()
        };
        let count: usize = group.iter().map(|report| report.outcomes.len()).sum();
        if count == 0 {
            return Ok(());
        }
        let span = tracing::info_span!("record", outcomes = count);
        // A transaction covers many items, and a span has one parent.
        if let Some(traceparent) = group.iter().find_map(|report| report.traceparent.as_ref()) {
            self.deps.trace.attach(&span, traceparent);
        }
        let changed = record::record(&self.deps, outcomes, shutdown)
            .instrument(span)
            .await?;
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

/// A report that was delivered.
struct Counted {
    tag: Tag,
    outcomes: Vec<Outcome>,
    heartbeat: Option<WorkerStatus>,
    /// Of its first item that has one.
    traceparent: Option<String>,
}

impl Counted {
    fn of(tag: Tag, report: Report) -> Self {
        let Report {
            worker,
            mut items,
            heartbeat,
            ..
        } = report;
        let traceparent = items.iter_mut().find_map(|item| item.traceparent.take());
        let outcomes = items
            .into_iter()
            .map(|item| item.into_outcome(worker.clone()))
            .collect();
        Self {
            tag,
            outcomes,
            heartbeat,
            traceparent,
        }
    }
}

/// Cuts reports into groups of one transaction each: of any length where one report is longer than the bound.
fn groups(reports: Vec<Counted>) -> Vec<Vec<Counted>> {
    let (mut groups, mut outcomes) = (Vec::<Vec<Counted>>::new(), 0);
    for report in reports {
        outcomes += report.outcomes.len();
        match groups.last_mut() {
            Some(group) if outcomes <= MAX_OUTCOMES => group.push(report),
            _ => {
                outcomes = report.outcomes.len();
                groups.push(vec![report]);
            }
        }
    }
    groups
}

fn tags(group: Vec<Counted>) -> Vec<Tag> {
    group.into_iter().map(|report| report.tag).collect()
}

#[cfg(test)]
mod tests {
    use flotilla_core::message::{ItemReport, Verdict};
    use flotilla_core::outcome::Output;
    use flotilla_core::{BatchId, Json, WorkerId};
    use jiff::Timestamp;

    use super::*;

    fn report(number: u64, items: usize) -> Counted {
        let item = ItemReport {
            batch: BatchId(uuid::Uuid::nil()),
            index: 0,
            attempt: 1,
            verdict: Verdict::Done(Output::Inline(Json::null())),
            started_at: Timestamp::UNIX_EPOCH,
            duration_us: 0,
            traceparent: None,
        };
        let tag = Tag {
            generation: 0,
            number,
        };
        Counted::of(tag, Report::of_items(WorkerId("w".into()), vec![item; items]))
    }

    #[test]
    fn transactions_are_bounded_and_keep_every_report() {
        let lengths = [10, 4_990, 1, 9_000, 0, 5_000, 3];
        let reports = lengths
            .iter()
            .enumerate()
            .map(|(number, &items)| report(number as u64, items));
        let groups = groups(reports.collect());
        let numbers: Vec<Vec<u64>> = groups
            .into_iter()
            .map(|group| tags(group).into_iter().map(|tag| tag.number).collect())
            .collect();
        assert_eq!(numbers, [vec![0, 1], vec![2], vec![3], vec![4, 5], vec![6]]);
    }
}

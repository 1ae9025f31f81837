//! The one task that publishes outcomes.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use flotilla_core::message::Report;
use flotilla_core::ports::Broker;
use flotilla_core::shard::Shard;
use flotilla_core::{Shutdown, WorkerId, crash};
use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, sleep_until};

use super::lane::{Lane, MAX_BYTES, MAX_ITEMS};
use super::{Finished, size};
use crate::activity::Held;
use crate::backoff::Backoff;
use crate::ticket::Ticket;

/// What is gathered at most, over all shards: then nothing more is received, runners keep their permits, and the worker
/// takes no new items until the broker takes reports again.
const MAX_GATHERED_ITEMS: usize = 4 * MAX_ITEMS;
const MAX_GATHERED_BYTES: usize = 4 * MAX_BYTES;
/// What an abort leaves it to publish what is there: handlers get a few seconds to stop, and what they had is given back
/// afterwards.
const LAST_WORDS: Duration = Duration::from_millis(4_500);

/// Gathers outcomes by shard and publishes them.
pub(crate) struct Reporter {
    broker: Arc<dyn Broker>,
    worker: WorkerId,
    shards: u16,
    inbox: mpsc::Receiver<Finished>,
    lanes: BTreeMap<Shard, Lane<Finished>>,
    publishing: FuturesUnordered<BoxFuture<'static, Shard>>,
}

impl Reporter {
    /// A reporter, and where to send it what has ended.
    pub(crate) fn new(
        broker: Arc<dyn Broker>,
        worker: WorkerId,
        shards: u16,
    ) -> (Self, mpsc::Sender<Finished>) {
        let (outbox, inbox) = mpsc::channel(64);
        let reporter = Self {
            broker,
            worker,
            shards,
            inbox,
            lanes: BTreeMap::new(),
            publishing: FuturesUnordered::new(),
        };
        (reporter, outbox)
    }

    /// Reports until everybody who could send has gone and all is published. After an abort it has a moment left; what
    /// it can't publish then comes again from the broker.
    pub(crate) async fn run(mut self, shutdown: Shutdown) {
        let too_late = async {
            shutdown.aborting().await;
            sleep(LAST_WORDS).await;
        };
        tokio::select! {
            () = self.work() => {}
            () = too_late => tracing::warn!("stopping with outcomes that could not be reported: their items will run again"),
        }
    }

    async fn work(&mut self) {
        let (mut open, mut received) = (true, Vec::new());
        while open || self.gathered() != (0, 0) || !self.publishing.is_empty() {
            let due = self.publish_due();
            let (items, bytes) = self.gathered();
            let room = MAX_GATHERED_ITEMS.saturating_sub(items);
            tokio::select! {
                Some(shard) = self.publishing.next() => {
                    self.lanes.entry(shard).or_default().published();
                }
                count = self.inbox.recv_many(&mut received, room), if open && room > 0 && bytes < MAX_GATHERED_BYTES => {
                    open = count > 0;
                    self.gather(received.drain(..));
                }
                () = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => {}
            }
        }
    }

    fn gather(&mut self, finished: impl Iterator<Item = Finished>) {
        let now = Instant::now();
        for one in finished {
            let shard = Shard::of(one.report.batch, self.shards);
            let bytes = size(&one.report);
            self.lanes.entry(shard).or_default().add(one, bytes, now);
        }
    }

    fn gathered(&self) -> (usize, usize) {
        let lanes = self.lanes.values();
        lanes.fold((0, 0), |(items, bytes), lane| {
            (items + lane.len(), bytes + lane.bytes())
        })
    }

    /// Starts whatever is due, and says when to look again.
    fn publish_due(&mut self) -> Option<Instant> {
        let now = Instant::now();
        for (&shard, lane) in &mut self.lanes {
            while lane.due(now).is_some_and(|due| due <= now) {
                let (mut items, mut rest) = (Vec::new(), Vec::new());
                for one in lane.take() {
                    items.push(one.report);
                    rest.push((one.ticket, one.held));
                }
                let report = Report::of_items(self.worker.clone(), items);
                let publish = publish(Arc::clone(&self.broker), shard, report, rest);
                self.publishing.push(Box::pin(publish));
            }
        }
        self.lanes.values().filter_map(|lane| lane.due(now)).min()
    }
}

/// Publishes until it succeeds, and then acknowledges. The order is the promise.
async fn publish(
    broker: Arc<dyn Broker>,
    shard: Shard,
    report: Report,
    rest: Vec<(Option<Ticket>, Option<Held>)>,
) -> Shard {
    let mut backoff = Backoff::default();
    while let Err(error) = broker.publish_report(shard, &report).await {
        let wait = error.wait().unwrap_or_else(|| backoff.next());
        tracing::warn!(
            %shard,
            items = report.items.len(),
            error = error.chain(),
            "can't report finished items: trying again in {wait:?}"
        );
        sleep(wait).await;
    }
    crash::point("worker.reported");
    let (tickets, held): (Vec<_>, Vec<_>) = rest.into_iter().unzip();
    Ticket::ack_all(tickets.into_iter().flatten().collect()).await;
    drop(held);
    shard
}

//! Tells the fleet what this worker does.

use std::sync::Arc;
use std::time::Duration;

use flotilla_core::message::Report;
use flotilla_core::ports::Broker;
use flotilla_core::shard::Shard;
use flotilla_core::worker::WorkerStatus;
use flotilla_core::{Clock, Shutdown};
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use crate::activity::{Activity, InHand};
use crate::orders::Drain;

/// How long it keeps silent at most, however little there is to say.
const SILENCE: Duration = Duration::from_secs(5);
/// A heartbeat that takes longer is stale: the next one says it better.
const PATIENCE: Duration = Duration::from_secs(5);

/// Publishes heartbeats beside everything else: a slow one delays no outcome.
pub(crate) struct Heartbeat {
    pub(crate) broker: Arc<dyn Broker>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) activity: Activity,
    pub(crate) every: Duration,
    /// The worker drains when this does.
    pub(crate) shutdown: Shutdown,
    /// Or when it is told to.
    pub(crate) drain: Drain,
    /// What is the same in all of them.
    pub(crate) status: WorkerStatus,
}

impl Heartbeat {
    /// One at once, one when the worker begins to drain or to work again, one per interval while something changes, one every
    /// [`SILENCE`] otherwise; when `over`, a last one: no room for items any more.
    pub(crate) async fn run(mut self, over: CancellationToken) {
        let mut last: Option<(InHand, bool, Instant)> = None;
        let mut told = false;
        let mut tick = tokio::time::interval(self.every.max(Duration::from_millis(10)));
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                () = over.cancelled() => break,
                () = self.shutdown.draining(), if !self.status.draining => {}
                () = self.drain.until(!told) => {}
                _ = tick.tick() => {}
            }
            told = self.drain.is_told();
            self.status.draining = told || self.shutdown.is_draining();
            let in_hand = self.activity.now();
            let news = last.as_ref().is_none_or(|(said, draining, at)| {
                *said != in_hand || *draining != self.status.draining || at.elapsed() >= SILENCE
            });
            if news && over.run_until_cancelled(self.beat(&in_hand)).await == Some(true) {
                last = Some((in_hand, self.status.draining, Instant::now()));
            }
        }
        self.status.concurrency = 0;
        self.status.draining = true;
        self.beat(&self.activity.now()).await;
    }

    async fn beat(&self, in_hand: &InHand) -> bool {
        let status = WorkerStatus {
            running: in_hand.running.clone(),
            doing: in_hand.doing.clone(),
            held: in_hand.held,
            holding: Some(in_hand.holding.clone()),
            seen_at: self.clock.now(),
            ..self.status.clone()
        };
        let report = Report::of_heartbeat(status);
        match timeout(PATIENCE, self.broker.publish_report(Shard(0), &report)).await {
            Ok(Ok(())) => true,
            // Nothing is lost with it, and whatever is wrong shows when outcomes are reported.
            Ok(Err(error)) => {
                tracing::debug!(error = error.chain(), "a heartbeat was not published");
                false
            }
            Err(_) => false,
        }
    }
}

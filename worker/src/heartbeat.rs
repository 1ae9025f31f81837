//! Tells the fleet what this worker does.

use std::sync::Arc;
use std::time::Duration;

use flotilla_core::Clock;
use flotilla_core::message::Report;
use flotilla_core::ports::Broker;
use flotilla_core::shard::Shard;
use flotilla_core::worker::WorkerStatus;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use crate::activity::{Activity, Counts};

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
    /// What is the same in all of them.
    pub(crate) status: WorkerStatus,
}

impl Heartbeat {
    /// One at once, one per interval while something changes, one every [`SILENCE`] otherwise; when `over`, a last one:
    /// no room for items any more.
    pub(crate) async fn run(mut self, over: CancellationToken) {
        let mut last: Option<(Counts, Instant)> = None;
        let mut tick = tokio::time::interval(self.every.max(Duration::from_millis(10)));
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        while over.run_until_cancelled(tick.tick()).await.is_some() {
            let counts = self.activity.counts();
            let news = last
                .as_ref()
                .is_none_or(|(said, at)| *said != counts || at.elapsed() >= SILENCE);
            if news && over.run_until_cancelled(self.beat(&counts)).await == Some(true) {
                last = Some((counts, Instant::now()));
            }
        }
        self.status.concurrency = 0;
        self.beat(&self.activity.counts()).await;
    }

    async fn beat(&self, counts: &Counts) -> bool {
        let status = WorkerStatus {
            running: counts.running(),
            held: counts.held,
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

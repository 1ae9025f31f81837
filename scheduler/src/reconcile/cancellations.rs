//! A batch has to be swept if it is being cancelled: its items that are not in flight are waiting for nothing, and those
//! in flight are lost to it if no worker has answered for them within the grace time. They are cancelled.

use std::time::Duration;

use async_trait::async_trait;
use flotilla_core::ports::progress::{Heard, Scope};
use flotilla_core::{BatchId, BatchState, Result};
use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use jiff::Timestamp;
use tokio::time::{sleep, timeout};

use super::{Task, before};
use crate::live_view::LiveView;
use crate::{Deps, publish, record};

/// Batches looked at per round.
const BATCHES: u32 = 1_000;
/// Items cancelled per transaction.
const ITEMS: u32 = 5_000;
/// How often it looks while a batch waits for its workers, and while there is none. Events wake it earlier.
const BUSY: Duration = Duration::from_secs(1);
const IDLE: Duration = Duration::from_secs(5);
/// Workers report while their batch is being cancelled, and each report is an event.
const REST: Duration = Duration::from_millis(100);
/// How long the live view may take to subscribe.
const SUBSCRIBE_PATIENCE: Duration = Duration::from_secs(2);

/// Ends batches that are being cancelled.
pub struct Cancellations {
    deps: Deps,
    view: LiveView,
    grace: Duration,
    events: Option<BoxStream<'static, Heard>>,
    waiting: bool,
}

impl Cancellations {
    /// Workers have `grace` to answer for what they run. Shares `view` with whoever else writes snapshots.
    #[must_use]
    pub fn new(deps: &Deps, view: &LiveView, grace: Duration) -> Self {
        Self {
            deps: deps.clone(),
            view: view.clone(),
            grace,
            events: None,
            waiting: false,
        }
    }

    /// Before the first look, so that nothing happens unseen between the two.
    async fn subscribe(&mut self) {
        if self.events.is_some() {
            return;
        }
        let subscribed = timeout(SUBSCRIBE_PATIENCE, self.deps.progress.subscribe(Scope::All)).await;
        match subscribed {
            Ok(Ok(events)) => self.events = Some(events),
            Ok(Err(error)) => tracing::debug!(error = error.chain(), "cancellations are not heard of"),
            Err(_) => tracing::debug!("cancellations are not heard of"),
        }
    }

    /// Cancels some items of a batch. True where there may be more that can be cancelled now.
    async fn sweep(&mut self, batch: BatchId, grace_since: Timestamp, swept: &mut u64) -> Result<bool> {
        let now = self.deps.clock.now();
        let Some((batch, items)) = self.deps.store.sweep(batch, ITEMS, grace_since, now).await? else {
            return Ok(false);
        };
        // Also where nothing was left to do: whoever did it may not have lived to show it.
        publish::publish(&self.deps, &self.view, std::slice::from_ref(&batch)).await;
        *swept += u64::from(items);
        Ok(items > 0 && !batch.state.is_final())
    }
}

#[async_trait]
impl Task for Cancellations {
    fn name(&self) -> &'static str {
        "cancellations"
    }

    fn period(&self) -> Duration {
        if self.waiting { BUSY } else { IDLE }
    }

    async fn run_once(&mut self) -> Result<u64> {
        self.subscribe().await;
        let grace_since = before(self.deps.clock.now(), self.grace);
        let mut batches = self.deps.store.halted_batches(BATCHES).await?;
        self.waiting = !batches.is_empty();
        let mut swept = 0;
        // In turns, so that a long one does not hold the others up.
        while !batches.is_empty() {
            let mut going_on = Vec::new();
            for batch in batches {
                match self.sweep(batch, grace_since, &mut swept).await {
                    Ok(true) => going_on.push(batch),
                    Ok(false) => {}
                    Err(error) if record::is_refusal(&error) => {
                        tracing::error!(%batch, error = error.chain(), "a batch can't be cancelled");
                    }
                    Err(error) => return Err(error),
                }
            }
            batches = going_on;
        }
        Ok(swept)
    }

    async fn wake(&mut self) {
        sleep(REST).await;
        if let Some(events) = &mut self.events {
            while let Some(heard) = events.next().await {
                match heard {
                    Heard::Event(event) if event.state != BatchState::Cancelling => {}
                    Heard::Event(_) | Heard::Missed => return,
                }
            }
            self.events = None;
        }
        std::future::pending::<()>().await;
    }
}

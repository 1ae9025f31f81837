//! What a worker knows of the batches of which it has items in hand: paused, cancelled, given tighter limits.
//!
//! Events push it; a question once a second is the safety net for events that are lost. With nobody to ask, items run:
//! the live view is a convenience, and the ledger takes no outcome of a batch that is over.

mod table;

pub(crate) use table::Course;

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use flotilla_core::BatchId;
use flotilla_core::ports::Progress;
use flotilla_core::ports::progress::{Heard, Scope};
use flotilla_core::snapshot::Steering;
use futures_util::StreamExt;
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, timeout};
use tokio_util::sync::CancellationToken;

use self::table::{Table, stops};

/// An answer that takes longer is not waited for.
const PATIENCE: Duration = Duration::from_millis(250);
/// Between two refreshes.
const REFRESH: Duration = Duration::from_secs(1);
/// What was heard since then is not asked for again.
const RECENT: Duration = Duration::from_millis(500);
/// Between two attempts to subscribe.
const RESUBSCRIBE: Duration = Duration::from_secs(1);
/// Batches in one question.
const MAX_ASKED: usize = 1_000;

/// Knows how the batches in hand are steered.
pub(crate) struct Helm {
    progress: Arc<dyn Progress>,
    table: Mutex<Table>,
    changed: Notify,
}

impl Helm {
    pub(crate) fn new(progress: Arc<dyn Progress>) -> Arc<Self> {
        Arc::new(Self {
            progress,
            table: Mutex::default(),
            changed: Notify::new(),
        })
    }

    /// An item came into hand: what is to become of it, and its place aboard.
    pub(crate) fn board(self: &Arc<Self>, batch: BatchId, epoch: u32) -> (Course, Aboard) {
        let (course, steering) = self.table().board(batch, epoch, Instant::now());
        let aboard = Aboard {
            helm: Arc::clone(self),
            batch,
            epoch,
            steering,
        };
        (course, aboard)
    }

    /// Asks how `batches` are steered, and knows it afterwards, or knows that nobody answers.
    pub(crate) async fn ask(&self, batches: &[BatchId]) {
        for batches in batches.chunks(MAX_ASKED) {
            let asked = Instant::now();
            let answers = match timeout(PATIENCE, self.progress.steering(batches)).await {
                Ok(Ok(answers)) => Some(answers),
                Ok(Err(error)) => {
                    tracing::debug!(error = error.chain(), "can't ask how batches are steered");
                    None
                }
                Err(_) => None,
            };
            let mut table = self.table();
            table.answered(batches, answers.as_deref(), asked, Instant::now());
            let changed = table.has_changed();
            drop(table);
            if changed {
                self.changed.notify_one();
            }
        }
    }

    /// Listens to events until `over`.
    pub(crate) async fn listen(self: Arc<Self>, over: CancellationToken) {
        let listening = async {
            loop {
                match self.progress.subscribe(Scope::All).await {
                    Ok(mut events) => {
                        while let Some(heard) = events.next().await {
                            let Heard::Event(event) = heard else {
                                let known = self.table().stale(Duration::ZERO, Instant::now());
                                self.ask(&known).await;
                                continue;
                            };
                            let steering = event.steering();
                            let new =
                                self.table()
                                    .pushed(event.batch, event.version, steering, Instant::now());
                            if new {
                                self.changed.notify_one();
                            }
                        }
                    }
                    Err(error) => {
                        tracing::debug!(error = error.chain(), "can't listen to events: trying again");
                    }
                }
                sleep(RESUBSCRIBE).await;
            }
        };
        over.run_until_cancelled(listening).await;
    }

    /// Asks once a second about the batches in hand, until `over`.
    pub(crate) async fn refresh(self: Arc<Self>, over: CancellationToken) {
        let mut tick = interval(REFRESH);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while over.run_until_cancelled(tick.tick()).await.is_some() {
            let stale = self.table().stale(RECENT, Instant::now());
            over.run_until_cancelled(self.ask(&stale)).await;
        }
    }

    /// Waits until something new was said about batches in hand, and says about which.
    pub(crate) async fn changed(&self) -> HashSet<BatchId> {
        loop {
            self.changed.notified().await;
            let changed = self.table().take_changed();
            if !changed.is_empty() {
                return changed;
            }
        }
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The place of an item in hand: its batch is known about as long as this lives.
pub(crate) struct Aboard {
    helm: Arc<Helm>,
    pub(crate) batch: BatchId,
    epoch: u32,
    steering: watch::Receiver<Option<Steering>>,
}

impl Aboard {
    /// What is to become of the item, as far as that is known now.
    pub(crate) fn course(&self) -> Course {
        self.helm.table().course(self.batch, self.epoch, Instant::now())
    }

    /// Waits until an item that runs has to stop.
    pub(crate) async fn stopped(&mut self) {
        let epoch = self.epoch;
        let stopped = self
            .steering
            .wait_for(|steering| steering.is_some_and(|steering| stops(steering, epoch)));
        if stopped.await.is_err() {
            // The table forgets no batch of which an item is in hand.
            std::future::pending::<()>().await;
        }
    }
}

impl Drop for Aboard {
    fn drop(&mut self) {
        self.helm.table().leave(self.batch, Instant::now());
    }
}

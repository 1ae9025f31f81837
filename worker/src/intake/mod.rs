//! Takes items from the queues, and decides what becomes of them before they run.
//!
//! Deliveries are taken as they come, which the prefetch bounds, so that those of a batch that was paused or cancelled
//! are given back at once, however busy this worker is. The others wait in the `dock` until there is a slot for them.

mod dock;
mod subscribe;

pub(crate) use dock::Berth;
pub(crate) use subscribe::{Deliveries, Queues};

use std::collections::HashSet;
use std::sync::Arc;

use flotilla_core::message::{ItemMessage, Verdict};
use flotilla_core::ports::broker::SUSPECT_AFTER;
use flotilla_core::{BatchId, crash};
use futures_util::future::BoxFuture;
use futures_util::{FutureExt, StreamExt};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

use self::dock::Dock;
use self::subscribe::Delivered;
use crate::activity::Held;
use crate::config::Config;
use crate::orders::Drain;
use crate::runner::Runner;
use crate::steering::{Aboard, Course, Helm};
use crate::ticket::Ticket;

/// Deliveries that are looked at before anything else is.
const AT_ONCE: usize = 64;

/// Why no more items are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ended {
    /// The worker drains, and stops.
    Draining,
    /// It was told to drain, until it is told to work again.
    Resting,
    /// The broker is closed for good.
    Closed,
}

/// An item that was taken and has not started.
pub(crate) struct Taken {
    pub(crate) message: ItemMessage,
    /// It runs while nothing else does.
    pub(crate) alone: bool,
    pub(crate) ticket: Ticket,
    pub(crate) held: Held,
    pub(crate) aboard: Aboard,
}

/// The slot of an item that runs. Dropping it makes room.
#[derive(Debug)]
pub(crate) struct Slot {
    berth: Option<Berth>,
    freed: mpsc::Sender<Berth>,
}

impl Drop for Slot {
    fn drop(&mut self) {
        // There is room for every slot, and nobody to tell once the intake has ended.
        let _ = self.berth.take().map(|berth| self.freed.try_send(berth));
    }
}

/// Takes items and starts them.
pub(crate) struct Intake {
    deliveries: Deliveries,
    runner: Arc<Runner>,
    helm: Arc<Helm>,
    dock: Dock<Taken>,
    /// Items of batches of which too little is known.
    unsure: Vec<Taken>,
    /// A question about batches, on its way.
    asking: Option<BoxFuture<'static, Vec<BatchId>>>,
    freed: (mpsc::Sender<Berth>, mpsc::Receiver<Berth>),
}

impl Intake {
    pub(crate) fn new(deliveries: Deliveries, runner: Arc<Runner>, helm: Arc<Helm>, config: &Config) -> Self {
        let slots = config.concurrency.max(1);
        let caps = config
            .job_types
            .iter()
            .filter_map(|(name, job_type)| Some((name.to_owned(), job_type.worker_concurrency?)));
        Self {
            deliveries,
            runner,
            helm,
            dock: Dock::new(
                slots,
                caps,
                config.give_back_after,
                config.elsewhere_after,
                Instant::now(),
            ),
            unsure: Vec::new(),
            asking: None,
            freed: mpsc::channel(slots as usize),
        }
    }

    /// Works until the worker stops, with a rest while it is told to drain. What has not started by then is given back at
    /// once.
    pub(crate) async fn run(mut self, queues: Queues, mut drain: Drain) -> Ended {
        loop {
            let ended = self.work(&mut drain).await;
            self.empty().await;
            if ended != Ended::Resting {
                return ended;
            }
            let shutdown = self.runner.shutdown().clone();
            if shutdown.until_draining(drain.until(false)).await.is_none() {
                return Ended::Draining;
            }
            match queues.subscribe(&shutdown).await {
                Ok(Some(deliveries)) => self.deliveries = deliveries,
                Ok(None) => return Ended::Draining,
                Err(error) => {
                    tracing::error!(error = error.chain(), "can't take items again");
                    return Ended::Closed;
                }
            }
        }
    }

    /// Takes no more items, and gives back those that have not started.
    async fn empty(&mut self) {
        // First of all: what is given back makes room in the prefetch, which the broker would fill again.
        self.deliveries = Deliveries::new();
        let mut left = self.dock.take_where(|_| true);
        left.append(&mut self.unsure);
        self.runner.give_back(left, Verdict::Released).await;
    }

    async fn work(&mut self, drain: &mut Drain) -> Ended {
        let shutdown = self.runner.shutdown().clone();
        loop {
            self.start();
            self.ask();
            let due = self.dock.due();
            tokio::select! {
                biased;
                () = shutdown.draining() => return Ended::Draining,
                () = drain.until(true) => return Ended::Resting,
                Some(berth) = self.freed.1.recv() => {
                    let now = Instant::now();
                    self.dock.ended(&berth, now);
                    while let Ok(berth) = self.freed.1.try_recv() {
                        self.dock.ended(&berth, now);
                    }
                }
                changed = self.helm.changed() => self.reconsider(&changed).await,
                asked = answer(&mut self.asking), if self.asking.is_some() => {
                    self.asking = None;
                    self.decide(&asked).await;
                }
                delivered = self.deliveries.next() => {
                    if self.take(delivered.flatten()).await.is_none() {
                        return Ended::Closed;
                    }
                }
                () = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => {
                    let overdue = self.dock.take_overdue(Instant::now());
                    tracing::debug!(items = overdue.len(), "giving back items that could not be started");
                    self.runner.give_back(overdue, Verdict::Released).await;
                }
            }
        }
    }

    /// Starts what may start.
    fn start(&mut self) {
        let now = Instant::now();
        while let Some((taken, berth)) = self.dock.start(now) {
            let slot = Slot {
                berth: Some(berth),
                freed: self.freed.0.clone(),
            };
            self.runner.start(slot, taken);
        }
    }

    /// Asks about the batches of which too little is known, one question at a time.
    fn ask(&mut self) {
        if self.asking.is_none() && !self.unsure.is_empty() {
            let batches: HashSet<_> = self.unsure.iter().map(|taken| taken.aboard.batch).collect();
            let (batches, helm) = (Vec::from_iter(batches), Arc::clone(&self.helm));
            self.asking = Some(Box::pin(async move {
                helm.ask(&batches).await;
                batches
            }));
        }
    }

    /// Takes what has arrived. `None` where a subscription has ended.
    async fn take(&mut self, first: Option<Delivered>) -> Option<()> {
        self.arrived(first?).await;
        for _ in 1..AT_ONCE {
            match self.deliveries.next().now_or_never() {
                None => break,
                Some(delivered) => self.arrived(delivered.flatten()?).await,
            }
        }
        Some(())
    }

    async fn arrived(&mut self, delivered: Delivered) {
        let Delivered {
            delivery,
            settle,
            isolated,
        } = delivered;
        crash::point("worker.received");
        let ticket = Ticket::new(delivery.tag, settle);
        let held = self.runner.hold(delivery.message.as_ref().ok());
        let message = match delivery.message {
            Ok(message) => message,
            Err(malformed) => {
                tracing::warn!(%malformed, "dead-lettering a message that is no item");
                return self.runner.reject(ticket, held);
            }
        };
        let (course, aboard) = self.helm.board(message.batch, message.epoch);
        let taken = Taken {
            alone: isolated || message.isolated,
            message,
            ticket,
            held,
            aboard,
        };
        if !isolated && delivery.redeliveries >= SUSPECT_AFTER {
            tracing::warn!(
                batch = %taken.message.batch,
                index = taken.message.index,
                "an item came back without an answer too often: it will run alone"
            );
            return self.runner.give_back(vec![taken], Verdict::Lost).await;
        }
        self.follow(taken, course).await;
    }

    async fn follow(&mut self, taken: Taken, course: Course) {
        match course {
            Course::Ask => self.unsure.push(taken),
            Course::Release => self.runner.give_back(vec![taken], Verdict::Released).await,
            Course::Cancel => self.runner.give_back(vec![taken], Verdict::Cancelled).await,
            Course::Run => {
                let kind = self.dock.kind(&taken.message.job_type, taken.alone);
                self.dock.add(kind, taken, Instant::now());
            }
        }
    }

    /// Decides about the items of batches that were asked about. Where nobody answered, they run.
    async fn decide(&mut self, asked: &[BatchId]) {
        let asked: HashSet<_> = asked.iter().collect();
        let (known, unsure) = std::mem::take(&mut self.unsure)
            .into_iter()
            .partition::<Vec<_>, _>(|taken| asked.contains(&taken.aboard.batch));
        self.unsure = unsure;
        for taken in known {
            let course = match taken.aboard.course() {
                Course::Ask => Course::Run,
                course => course,
            };
            self.follow(taken, course).await;
        }
    }

    /// Gives back what must not start any more.
    async fn reconsider(&mut self, changed: &HashSet<BatchId>) {
        for (course, verdict) in [
            (Course::Cancel, Verdict::Cancelled),
            (Course::Release, Verdict::Released),
        ] {
            let out = self
                .dock
                .take_where(|taken| changed.contains(&taken.aboard.batch) && taken.aboard.course() == course);
            self.runner.give_back(out, verdict).await;
        }
    }
}

/// Waits for the answer that is on its way.
async fn answer(asking: &mut Option<BoxFuture<'static, Vec<BatchId>>>) -> Vec<BatchId> {
    match asking {
        Some(asking) => asking.await,
        None => std::future::pending().await,
    }
}

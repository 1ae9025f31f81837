//! From an item that was taken to one that was reported: one task each.

use std::sync::Arc;
use std::time::Duration;

use flotilla_core::artifact::Artifact;
use flotilla_core::message::{ItemMessage, ItemReport, Verdict};
use flotilla_core::outcome::Output;
use flotilla_core::ports::Objects;
use flotilla_core::trace::Propagator;
use flotilla_core::worker::Doing;
use flotilla_core::{Clock, Json, Shutdown, Tasks, crash};
use jiff::Timestamp;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, timeout};
use tracing::{Instrument, Level, Span};

use crate::activity::{Activity, Held};
use crate::artifacts::{Artifacts, Exports, collect};
use crate::attempt::attempt;
use crate::backoff::Backoff;
use crate::flight_recorder::FlightRecorder;
use crate::intake::{Slot, Taken};
use crate::item::ItemContext;
use crate::lease::{Lease, Terms};
use crate::registry::Registry;
use crate::report::Finished;
use crate::steering::Aboard;
use crate::ticket::Ticket;

/// What the object storage gets to take one output.
const STORE_TIMEOUT: Duration = Duration::from_secs(60);

/// Runs items and hands what became of them to the reporter.
pub(crate) struct Runner {
    pub(crate) registry: Registry,
    pub(crate) objects: Objects,
    pub(crate) exports: Arc<Exports>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) trace: Arc<dyn Propagator>,
    pub(crate) inline_output_bytes: usize,
    pub(crate) terms: Terms,
    pub(crate) recorder: Option<FlightRecorder>,
    pub(crate) activity: Activity,
    pub(crate) tasks: Tasks,
    pub(crate) finished: mpsc::Sender<Finished>,
}

impl Runner {
    /// The shutdown that it obeys.
    pub(crate) fn shutdown(&self) -> &Shutdown {
        self.tasks.shutdown()
    }

    /// Counts a delivery in, of this item where it is one.
    pub(crate) fn hold(&self, item: Option<&ItemMessage>) -> Held {
        self.activity.hold(item)
    }

    /// Runs an item in the background. It keeps its slot until the reporter has taken what became of it, so that a
    /// worker that can't report starts nothing new.
    pub(crate) fn start(self: &Arc<Self>, slot: Slot, mut taken: Taken) {
        let runner = Arc::clone(self);
        // On the heap from the beginning: spawning moves a future a few times, and this one is large.
        let run = Box::pin(async move {
            let span = runner.span(&taken.message);
            // Before the span begins: a span that runs can't change its trace any more.
            taken.message.traceparent = runner.trace.carry(&span, taken.message.traceparent.as_deref());
            runner.process(taken).instrument(span).await;
            drop(slot);
        });
        self.tasks.spawn("item", run);
    }

    /// The span of an attempt. At the level of what people read only where it becomes a trace: what spans cost would be a
    /// fifth of what a worker spends on an item that does nothing.
    fn span(&self, message: &ItemMessage) -> Span {
        macro_rules! span {
            ($level:expr) => {
                tracing::span!(
                    $level,
                    "item",
                    batch = %message.batch,
                    index = message.index,
                    attempt = message.attempt,
                    job_type = message.job_type,
                )
            };
        }
        if self.trace.is_on() {
            span!(Level::INFO)
        } else {
            span!(Level::DEBUG)
        }
    }

    /// Dead-letters what is no item.
    pub(crate) fn reject(&self, ticket: Ticket, held: Held) {
        self.tasks.spawn("reject", async move {
            ticket.reject().await;
            drop(held);
        });
    }

    /// Reports items that were not started.
    pub(crate) async fn give_back(&self, items: Vec<Taken>, verdict: Verdict) {
        let mut items = items.into_iter();
        while let Some(taken) = items.next() {
            if let Err(unreported) = self.report_unstarted(taken, verdict.clone()).await {
                // Nobody reports any more: the broker has to hear it.
                let tickets = items.by_ref().map(|taken| taken.ticket);
                return Ticket::release_all(std::iter::once(unreported).chain(tickets).collect()).await;
            }
        }
    }

    async fn report_unstarted(&self, taken: Taken, verdict: Verdict) -> Result<(), Ticket> {
        let Taken {
            message,
            ticket,
            held,
            ..
        } = taken;
        let report = ItemReport {
            batch: message.batch,
            index: message.index,
            attempt: message.attempt,
            verdict,
            started_at: self.clock.now(),
            duration_us: 0,
            traceparent: message.traceparent,
            artifacts: Vec::new(),
        };
        self.report(report, Some(ticket), held).await
    }

    /// Answers the delivery where nobody reports any more.
    async fn report(&self, report: ItemReport, ticket: Option<Ticket>, held: Held) -> Result<(), Ticket> {
        let finished = Finished {
            report,
            ticket,
            held: Some(held),
        };
        match self.finished.send(finished).await {
            Ok(()) => Ok(()),
            Err(unreported) => unreported.0.ticket.map_or(Ok(()), Err),
        }
    }

    async fn process(&self, taken: Taken) {
        let Taken {
            message,
            ticket,
            held,
            aboard,
            ..
        } = taken;
        let exports = Artifacts::of(Arc::clone(&self.exports));
        let item = ItemContext::with(&message, exports).with_results(&message, &self.objects);
        let began = Began {
            at: self.clock.now(),
            clock: Instant::now(),
        };
        let mut lease = Lease::new(self.terms, ticket, self.finished.clone());
        let worked = {
            let renewal = |verdict| began.report(&item, verdict, began.clock.elapsed());
            tokio::select! {
                biased;
                done = self.work(&item, &message.input, aboard, &began) => done,
                never = lease.keep(renewal) => match never {},
            }
        };
        crash::point("worker.handled");
        let mut report = began.report(&item, worked.verdict, worked.duration);
        report.artifacts = worked.artifacts;
        // Fails only where the reporter is gone: then somebody else has to do it again.
        if let Err(ticket) = self.report(report, lease.end(), held).await {
            Ticket::release_all(vec![ticket]).await;
        }
    }

    /// What became of the item. Where the worker stops at once it is given back: that is
    /// not the fault of the item.
    async fn work(&self, item: &ItemContext, input: &Json, mut aboard: Aboard, began: &Began) -> Worked {
        let verdict = match self.registry.get(&item.job_type) {
            Ok(handler) => {
                let _runs = self.activity.run(began.doing(item));
                let _noted = self
                    .recorder
                    .as_ref()
                    .map(|recorder| recorder.note((item.batch, item.index, item.attempt)));
                attempt(handler, item, input, aboard.stopped(), self.shutdown()).await
            }
            // Another worker may know it, or this one after its next start.
            Err(unknown) => Some(Verdict::Retry {
                error: unknown,
                after_ms: None,
            }),
        };
        let duration = began.clock.elapsed();
        if let Some(Verdict::Fail(error) | Verdict::Retry { error, .. }) = &verdict {
            tracing::debug!(kind = error.kind.as_str(), "the attempt failed");
        }
        let verdict = match verdict {
            Some(Verdict::Done(Output::Inline(json))) if json.len() > self.inline_output_bytes => {
                self.store(item, json).await.map(Verdict::Done)
            }
            verdict => verdict,
        };
        let kept = match verdict {
            Some(verdict) => collect(item, verdict, self.shutdown()).await,
            None => None,
        };
        let (verdict, artifacts) = kept.unwrap_or((Verdict::Released, Vec::new()));
        Worked {
            verdict,
            artifacts,
            duration,
        }
    }

    /// Puts a long output away, however long the storage is down: it is the handler's work, and a worker that can't
    /// deliver takes no more. `None` where the worker stops at once.
    async fn store(&self, item: &ItemContext, output: Json) -> Option<Output> {
        let (text, mut backoff) = (output.into_string(), Backoff::default());
        loop {
            let put =
                self.objects
                    .put_output(&item.space, item.batch, item.index, item.attempt, text.clone());
            let problem = match self
                .shutdown()
                .until_aborting(timeout(STORE_TIMEOUT, put))
                .await?
            {
                Ok(Ok(key)) => {
                    return Some(Output::Stored {
                        key,
                        bytes: text.len() as u64,
                    });
                }
                Ok(Err(error)) => error.chain(),
                Err(_) => format!("object storage: no answer within {STORE_TIMEOUT:?}"),
            };
            tracing::warn!(
                batch = %item.batch,
                index = item.index,
                error = problem,
                "can't store a long output: trying again"
            );
            self.shutdown().until_aborting(sleep(backoff.next())).await?;
        }
    }
}

/// What came of an attempt, and how long its handler took.
struct Worked {
    verdict: Verdict,
    artifacts: Vec<Artifact>,
    duration: Duration,
}

/// When an attempt began.
struct Began {
    at: Timestamp,
    clock: Instant,
}

impl Began {
    fn report(&self, item: &ItemContext, verdict: Verdict, duration: Duration) -> ItemReport {
        ItemReport {
            batch: item.batch,
            index: item.index,
            attempt: item.attempt,
            verdict,
            started_at: self.at,
            duration_us: u64::try_from(duration.as_micros()).unwrap_or(u64::MAX),
            traceparent: item.traceparent.clone(),
            artifacts: Vec::new(),
        }
    }

    fn doing(&self, item: &ItemContext) -> Doing {
        Doing {
            batch: item.batch,
            index: item.index,
            attempt: item.attempt,
            job_type: item.job_type.clone(),
            since: self.at,
        }
    }
}

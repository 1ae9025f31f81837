//! From a delivery to a finished item: one task each.

use std::sync::Arc;
use std::time::Duration;

use flotilla_core::message::{ItemMessage, ItemReport, Malformed, Verdict};
use flotilla_core::outcome::Output;
use flotilla_core::ports::Objects;
use flotilla_core::trace::Propagator;
use flotilla_core::{Clock, Json, Shutdown, Tasks};
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio::time::{Instant, sleep, timeout};
use tracing::{Instrument, Span};

use crate::activity::{Activity, Held};
use crate::attempt::attempt;
use crate::backoff::Backoff;
use crate::item::ItemContext;
use crate::registry::Registry;
use crate::report::Finished;
use crate::ticket::Ticket;

/// What the object storage gets to take one output.
const STORE_TIMEOUT: Duration = Duration::from_secs(60);

/// Runs items and hands what became of them to the reporter.
pub(crate) struct Runner {
    pub(crate) registry: Registry,
    pub(crate) objects: Objects,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) trace: Arc<dyn Propagator>,
    pub(crate) inline_output_bytes: usize,
    pub(crate) activity: Activity,
    pub(crate) tasks: Tasks,
    pub(crate) finished: mpsc::Sender<Finished>,
}

impl Runner {
    /// The shutdown that it obeys.
    pub(crate) fn shutdown(&self) -> &Shutdown {
        self.tasks.shutdown()
    }

    /// Counts a delivery in.
    pub(crate) fn hold(&self) -> Held {
        self.activity.hold()
    }

    /// Runs a delivery in the background. It keeps its permit until the reporter has taken what became of it, so that
    /// a worker that can't report takes nothing new.
    pub(crate) fn start(
        self: &Arc<Self>,
        permit: OwnedSemaphorePermit,
        ticket: Ticket,
        message: Result<ItemMessage, Malformed>,
    ) {
        let runner = Arc::clone(self);
        self.tasks.spawn("item", async move {
            match message {
                Ok(mut message) => {
                    let span = span(&message);
                    // Before the span begins: a span that runs can't change its trace any more.
                    message.traceparent = runner.trace.carry(&span, message.traceparent.as_deref());
                    runner.process(message, ticket).instrument(span).await;
                }
                Err(malformed) => {
                    tracing::warn!(%malformed, "dead-lettering a message that is no item");
                    ticket.reject().await;
                }
            }
            drop(permit);
        });
    }

    async fn process(&self, message: ItemMessage, ticket: Ticket) {
        let Some(report) = self.run(message).await else {
            return ticket.release().await;
        };
        // Fails only where the reporter is gone: then somebody else has to do it again.
        if let Err(unreported) = self.finished.send(Finished { report, ticket }).await {
            unreported.0.ticket.release().await;
        }
    }

    /// `None` where the worker stops at once.
    async fn run(&self, message: ItemMessage) -> Option<ItemReport> {
        let item = ItemContext::new(&message);
        let runs = self.activity.run(item.batch);
        let (started_at, clock) = (self.clock.now(), Instant::now());
        let verdict = match self.registry.get(&item.job_type) {
            Ok(handler) => attempt(handler, &item, &message.input, self.shutdown()).await?,
            Err(unknown) => Verdict::Fail(unknown),
        };
        let duration = clock.elapsed();
        drop(runs);
        if let Verdict::Fail(error) = &verdict {
            tracing::debug!(kind = error.kind.as_str(), "the item failed");
        }
        let verdict = match verdict {
            Verdict::Done(Output::Inline(json)) if json.len() > self.inline_output_bytes => {
                Verdict::Done(self.store(&item, json).await?)
            }
            verdict => verdict,
        };
        Some(ItemReport {
            batch: item.batch,
            index: item.index,
            attempt: item.attempt,
            verdict,
            started_at,
            duration_us: u64::try_from(duration.as_micros()).unwrap_or(u64::MAX),
            traceparent: item.traceparent,
        })
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
            tracing::warn!(error = problem, "can't store a long output: trying again");
            self.shutdown().until_aborting(sleep(backoff.next())).await?;
        }
    }
}

fn span(message: &ItemMessage) -> Span {
    tracing::info_span!(
        "item",
        batch = %message.batch,
        index = message.index,
        attempt = message.attempt,
        job_type = message.job_type,
    )
}

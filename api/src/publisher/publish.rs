//! Publishes what was claimed.

use std::time::Duration;

use flotilla_core::message::ItemMessage;
use flotilla_core::ports::broker::Unpublished;
use flotilla_core::ports::store::{Claim, ClaimId};
use flotilla_core::ports::{Broker, Store};
use flotilla_core::{Error, Pool, crash};
use tokio::time::{Instant, sleep, timeout_at};

use super::Deps;

/// Between attempts at first; doubles up to a second.
const FIRST_WAIT: Duration = Duration::from_millis(50);
const LAST_WAIT: Duration = Duration::from_secs(1);

/// Publishes claims until the broker has them, or their lease is nearly over.
#[derive(Clone)]
pub(super) struct Publishing {
    deps: Deps,
    /// What is left of the lease for marking the claims published.
    reserve: Duration,
}

impl Publishing {
    /// For claims with this lease.
    pub(super) fn new(deps: Deps, lease: Duration) -> Self {
        Self {
            deps,
            reserve: lease / 4,
        }
    }

    /// Publishes `claims`, all of one pool, whose lease ends at `deadline`, and marks them published. What can't be
    /// published in time is left to whoever takes the lease over: publishing past it would race with them.
    pub(super) async fn publish(&self, pool: &Pool, claims: Vec<Claim>, deadline: Instant) {
        let ids: Vec<ClaimId> = claims.iter().map(|claim| claim.id).collect();
        let items: Vec<ItemMessage> = claims
            .into_iter()
            .flat_map(|claim| self.messages(claim))
            .collect();
        crash::point("publisher.claimed");
        let trials = Trials::until(deadline - self.reserve);
        let count = items.len();
        let published = publish_all(self.deps.broker.as_ref(), items, trials);
        if let Err(reason) = published.await {
            tracing::warn!(%pool, reason, items = count, "items are not published in time and will be claimed again");
            return;
        }
        crash::point("publisher.confirmed");
        // Apart from publishing: items that the broker has are not sent again because the store is away.
        let marked = mark_all(self.deps.store.as_ref(), &ids, Trials::until(deadline));
        if let Err(reason) = marked.await {
            tracing::warn!(%pool, reason, items = count, "items are published and can't be marked so: they go out again");
            return;
        }
        crash::point("publisher.marked");
    }

    /// The messages of a claim, under one span that continues the trace of the request which created the batch.
    fn messages(&self, claim: Claim) -> impl Iterator<Item = ItemMessage> + use<> {
        let span = tracing::info_span!("publish", batch = %claim.batch, items = claim.items.len());
        let traceparent = self.deps.trace.carry(&span, claim.spec.traceparent.as_deref());
        let now = self.deps.clock.now();
        let callbacks = self.deps.callbacks.clone();
        let mut claim = claim;
        let items = std::mem::take(&mut claim.items);
        items.into_iter().map(move |item| ItemMessage {
            batch: claim.batch,
            index: item.index,
            attempt: item.attempt,
            max_attempts: item.last_attempt,
            timeout: claim.spec.timeout,
            space: claim.space.clone(),
            job_type: claim.spec.job_type.clone(),
            pool: claim.spec.pool.clone(),
            traceparent: traceparent.clone(),
            epoch: claim.epoch,
            isolated: item.isolated,
            callback: callbacks
                .as_ref()
                .and_then(|callbacks| callbacks.url(&claim, &item, now)),
            input: item.input,
        })
    }
}

/// Publishes until the broker has all of `items`: after a failure, those again that it may not have.
async fn publish_all(
    broker: &dyn Broker,
    mut items: Vec<ItemMessage>,
    mut trials: Trials,
) -> Result<(), String> {
    loop {
        match trials.in_time(broker.publish_items(&items)).await? {
            Ok(()) => return Ok(()),
            Err(Unpublished { left, error }) => {
                let (mut position, mut left) = (0, left.into_iter().peekable());
                items.retain(|_| {
                    position += 1;
                    left.next_if_eq(&(position - 1)).is_some()
                });
                trials.failed(&error).await?;
            }
        }
    }
}

/// Marks claims published.
async fn mark_all(store: &dyn Store, claims: &[ClaimId], mut trials: Trials) -> Result<(), String> {
    while let Err(error) = trials.in_time(store.mark_published(claims)).await? {
        trials.failed(&error).await?;
    }
    Ok(())
}

/// How often something is tried: until it succeeds, the deadline passes, or trying again makes no sense.
struct Trials {
    deadline: Instant,
    wait: Duration,
}

impl Trials {
    fn until(deadline: Instant) -> Self {
        Self {
            deadline,
            wait: FIRST_WAIT,
        }
    }

    /// The answer, unless it comes too late.
    async fn in_time<T>(&self, call: impl Future<Output = T>) -> Result<T, String> {
        let answer = timeout_at(self.deadline, call).await;
        answer.map_err(|_| "no answer before the lease ends".into())
    }

    /// Waits for the next trial. The error says why there is none.
    async fn failed(&mut self, error: &Error) -> Result<(), String> {
        if !error.is_transient() || Instant::now() + self.wait >= self.deadline {
            return Err(error.chain());
        }
        tracing::debug!(error = error.chain(), "trying again");
        sleep(self.wait).await;
        self.wait = (self.wait * 2).min(LAST_WAIT);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn tries_again_until_the_deadline_where_that_makes_sense() {
        let began = Instant::now();
        let trials = || Trials::until(began + Duration::from_secs(10));
        let away = Error::unavailable("test", "away");
        let (mut patient, mut tries) = (trials(), 0);
        while patient.failed(&away).await.is_ok() {
            tries += 1;
        }
        assert!(tries > 10, "{tries} trials");
        let waited = began.elapsed();
        assert!(waited > Duration::from_secs(8) && waited < Duration::from_secs(10));

        let hopeless = Error::misconfigured("test", "no such queue");
        let refused = Trials::until(Instant::now() + Duration::from_secs(10))
            .failed(&hopeless)
            .await;
        assert_eq!(refused, Err("test: no such queue".into()));
        let silent = trials().in_time(std::future::pending::<()>()).await;
        assert!(silent.is_err() && began.elapsed() >= Duration::from_secs(10));
    }
}

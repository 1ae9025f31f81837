//! Publishes what was claimed.

use std::future::Future;
use std::time::Duration;

use flotilla_core::message::ItemMessage;
use flotilla_core::ports::store::{Claim, ClaimId};
use flotilla_core::{Pool, Result, crash};
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
        let publish = || self.deps.broker.publish_items(items.clone());
        if let Err(reason) = retry(publish, deadline - self.reserve).await {
            tracing::warn!(%pool, reason, items = items.len(), "items are not published in time and will be claimed again");
            return;
        }
        crash::point("publisher.confirmed");
        // Apart from publishing: items that the broker has are not sent again because the store is away.
        if let Err(reason) = retry(|| self.deps.store.mark_published(&ids), deadline).await {
            tracing::warn!(%pool, reason, items = items.len(), "items are published and can't be marked so: they go out again");
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

/// Calls until it succeeds, `deadline` passes, or trying again makes no sense. The error says why it ended.
async fn retry<F: Future<Output = Result<()>>>(
    mut call: impl FnMut() -> F,
    deadline: Instant,
) -> Result<(), String> {
    let mut wait = FIRST_WAIT;
    loop {
        match timeout_at(deadline, call()).await {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(error)) if error.is_transient() && Instant::now() + wait < deadline => {
                tracing::debug!(error = error.chain(), "trying again");
                sleep(wait).await;
                wait = (wait * 2).min(LAST_WAIT);
            }
            Ok(Err(error)) => return Err(error.chain()),
            Err(_) => return Err("no answer before the lease ends".into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use flotilla_core::Error;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn tries_again_until_the_deadline_where_that_makes_sense() {
        let calls = Cell::new(0);
        let deadline = Instant::now() + Duration::from_secs(10);
        let third_time = || {
            calls.set(calls.get() + 1);
            let done = calls.get() == 3;
            async move {
                if done {
                    Ok(())
                } else {
                    Err(Error::unavailable("test", "away"))
                }
            }
        };
        assert_eq!(retry(third_time, deadline).await, Ok(()));
        assert_eq!(calls.get(), 3);

        let hopeless = || async { Err(Error::misconfigured("test", "no such queue")) };
        assert_eq!(retry(hopeless, deadline).await, Err("test: no such queue".into()));

        let silent = std::future::pending;
        assert!(retry(silent, deadline).await.is_err());
        assert!(Instant::now() >= deadline);
    }
}

//! Publishes what was claimed.

use std::time::Duration;

use flotilla_core::message::ItemMessage;
use flotilla_core::ports::store::{Claim, ClaimId};
use flotilla_core::{Error, Result};
use tokio::time::Instant;

use super::Deps;

/// How long one attempt at publishing may take.
const ATTEMPT: Duration = Duration::from_secs(10);
/// Between attempts at first; doubles up to a second.
const BACKOFF: Duration = Duration::from_millis(50);

/// Publishes claims until the broker has them, or their lease is nearly over.
#[derive(Clone)]
pub(super) struct Publishing {
    pub(super) deps: Deps,
    pub(super) lease: Duration,
}

impl Publishing {
    /// Publishes `claims`, whose lease ends at `deadline`, and marks them published. What can't be published in time is
    /// left to whoever takes the lease over: publishing past it would race with them.
    pub(super) async fn publish(&self, claims: Vec<Claim>, deadline: Instant) {
        let ids: Vec<ClaimId> = claims.iter().map(|claim| claim.id).collect();
        let items: Vec<ItemMessage> = claims
            .into_iter()
            .flat_map(|claim| self.messages(claim))
            .collect();
        let last_start = deadline - ATTEMPT.min(self.lease / 2);
        let mut wait = BACKOFF;
        loop {
            match self.attempt(items.clone(), &ids).await {
                Ok(()) => return,
                Err(error) if Instant::now() + wait < last_start => {
                    tracing::debug!(
                        error = error.chain(),
                        items = items.len(),
                        "publishing failed, trying again"
                    );
                    // The sleep is short; a shutdown waits for it.
                    tokio::time::sleep(wait).await;
                    wait = (wait * 2).min(Duration::from_secs(1));
                }
                Err(error) => {
                    tracing::warn!(
                        error = error.chain(),
                        items = items.len(),
                        "items could not be published within their lease; they will be claimed again"
                    );
                    return;
                }
            }
        }
    }

    async fn attempt(&self, items: Vec<ItemMessage>, claims: &[ClaimId]) -> Result<()> {
        let publish = self.deps.broker.publish_items(items);
        tokio::time::timeout(ATTEMPT, publish).await.map_err(|_| {
            Error::unavailable(
                "broker",
                format!("no confirmation within {} s", ATTEMPT.as_secs()),
            )
        })??;
        // If this fails the items go out twice, and the first outcome counts.
        self.deps.store.mark_published(claims).await
    }

    /// The messages of a claim, under one span that continues the trace of the request which created the batch.
    fn messages(&self, claim: Claim) -> impl Iterator<Item = ItemMessage> + use<> {
        let span = tracing::info_span!("publish", batch = %claim.batch, items = claim.items.len());
        let traceparent = self.deps.trace.carry(&span, claim.spec.traceparent.as_deref());
        let Claim {
            batch,
            space,
            spec,
            items,
            ..
        } = claim;
        items.into_iter().map(move |item| ItemMessage {
            batch,
            index: item.index,
            attempt: item.attempt,
            max_attempts: spec.max_attempts,
            timeout: spec.timeout,
            space: space.clone(),
            job_type: spec.job_type.clone(),
            pool: spec.pool.clone(),
            traceparent: traceparent.clone(),
            input: item.input,
        })
    }
}

//! Handing items to the fleet.

mod active;
mod claim;
mod held;
mod published;
mod redispatch;
pub(crate) mod scopes;
pub(crate) mod supply;
mod take_over;

use std::time::Duration;

use async_trait::async_trait;
use flotilla_core::limits::Ceilings;
use flotilla_core::ports::store::{Active, Claim, ClaimId, Dispatch, Want};
use flotilla_core::{BatchId, Result};
use jiff::{SignedDuration, Timestamp};

use crate::PostgresStore;

#[async_trait]
impl Dispatch for PostgresStore {
    async fn active_batches(&self, limit: u32, ceilings: &Ceilings, now: Timestamp) -> Result<Active> {
        let active = active::ListActive { limit, ceilings, now };
        self.sessions.run(active).await
    }

    async fn claim(
        &self,
        wants: &[Want],
        ceilings: &Ceilings,
        lease: Duration,
        now: Timestamp,
    ) -> Result<Vec<Claim>> {
        let claim = claim::NewClaims::new(wants, ceilings, lease_until(now, lease), now);
        if claim.is_empty() {
            return Ok(Vec::new());
        }
        self.sessions.run(claim).await
    }

    async fn take_over(&self, lease: Duration, limit: u32, now: Timestamp) -> Result<Vec<Claim>> {
        let lease_until = lease_until(now, lease);
        self.sessions
            .run(take_over::TakeOver {
                lease_until,
                limit,
                now,
            })
            .await
    }

    async fn mark_published(&self, claims: &[ClaimId]) -> Result<()> {
        if claims.is_empty() {
            return Ok(());
        }
        self.sessions.run(published::Published::new(claims)).await
    }

    async fn redispatch_unsettled(&self, batch: BatchId, now: Timestamp) -> Result<u32> {
        self.sessions.run(redispatch::Redispatch { batch, now }).await
    }
}

fn lease_until(now: Timestamp, lease: Duration) -> Timestamp {
    let lease = SignedDuration::try_from(lease).unwrap_or(SignedDuration::MAX);
    now.saturating_add(lease).unwrap_or(Timestamp::MAX)
}

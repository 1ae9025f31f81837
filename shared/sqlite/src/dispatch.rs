//! Handing items to the fleet.

mod active;
mod claim;
mod held;
mod redispatch;
mod take_over;

use std::time::Duration;

use async_trait::async_trait;
use flotilla_core::Result;
use flotilla_core::ids::BatchId;
use flotilla_core::limits::Ceilings;
use flotilla_core::ports::store::{Active, Claim, ClaimId, Dispatch, Want};
use jiff::Timestamp;
use rusqlite::Connection;

use crate::SqliteStore;
use crate::error::Done;

pub(crate) use self::redispatch::return_all;

#[async_trait]
impl Dispatch for SqliteStore {
    async fn active_batches(&self, limit: u32, ceilings: &Ceilings, now: Timestamp) -> Result<Active> {
        let ceilings = ceilings.clone();
        self.readers
            .run("list active batches", move |db| {
                active::list(db, limit, &ceilings, now)
            })
            .await
    }

    async fn claim(
        &self,
        wants: &[Want],
        ceilings: &Ceilings,
        lease: Duration,
        now: Timestamp,
    ) -> Result<Vec<Claim>> {
        let (wants, ceilings, until) = (wants.to_vec(), ceilings.clone(), end_of(lease, now));
        self.writer
            .run("claim items", move |db| {
                claim::claim(db, &wants, &ceilings, until, now)
            })
            .await
    }

    async fn take_over(&self, lease: Duration, limit: u32, now: Timestamp) -> Result<Vec<Claim>> {
        let until = end_of(lease, now);
        self.writer
            .run("take over claims", move |db| {
                take_over::take_over(db, until, limit, now)
            })
            .await
    }

    async fn mark_published(&self, claims: &[ClaimId]) -> Result<()> {
        let claims = claims.to_vec();
        self.writer
            .run("mark claims published", move |db| end_claims(db, &claims))
            .await
    }

    async fn redispatch_unsettled(&self, batch: BatchId, now: Timestamp) -> Result<u32> {
        self.writer
            .run("redispatch items", move |db| {
                redispatch::redispatch(db, batch, now)
            })
            .await
    }
}

fn end_of(lease: Duration, now: Timestamp) -> Timestamp {
    now.saturating_add(lease).unwrap_or(Timestamp::MAX)
}

fn end_claims(db: &Connection, claims: &[ClaimId]) -> Done<()> {
    let mut statement = db.prepare_cached("DELETE FROM dispatch_claims WHERE id = ?1")?;
    for ClaimId(id) in claims {
        statement.execute([id])?;
    }
    Ok(())
}

//! Claims items for publishing.

use std::collections::BTreeMap;

use deadpool_postgres::Transaction;
use flotilla_core::ports::store::{Claim, Want};
use flotilla_core::{BatchId, Result};
use jiff::Timestamp;
use uuid::Uuid;

use super::held::{self, Held};
use crate::error::Failure;
use crate::rows::{batch_id, get, integer};
use crate::session::{Client, Operation};

/// First a statement that only locks: the next one sees what others committed before they let go.
const LOCK: &str = include_str!("lock.sql");
const CLAIM: &str = include_str!("claim.sql");

pub(super) struct NewClaims {
    wants: BTreeMap<BatchId, u32>,
    lease_until: Timestamp,
    now: Timestamp,
}

impl NewClaims {
    pub(super) fn new(wants: &[Want], lease_until: Timestamp, now: Timestamp) -> Self {
        let mut by_batch = BTreeMap::<BatchId, u32>::new();
        for want in wants.iter().filter(|want| want.items > 0) {
            let items = by_batch.entry(want.batch).or_default();
            *items = items.saturating_add(want.items);
        }
        Self {
            wants: by_batch,
            lease_until,
            now,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.wants.is_empty()
    }
}

impl Operation for NewClaims {
    type Output = Vec<Claim>;
    const ATTEMPT: &'static str = "claim items";

    async fn run(&self, client: &mut Client) -> Result<Vec<Claim>, Failure> {
        let transaction = client.transaction().await?;
        let locked = self.lock(&transaction).await?;
        if locked.is_empty() {
            return Ok(Vec::new());
        }
        let held = self.claim(&transaction, &locked).await?;
        // Items never change, so they can be read when nobody has to wait for it any more. A claim whose publisher stops
        // here is taken over.
        transaction.commit().await?;
        held::load(client, held).await
    }
}

/// A batch whose cursor is locked, and whether its counters are.
type Locked = (BatchId, bool);

impl NewClaims {
    async fn lock(&self, transaction: &Transaction<'_>) -> Result<Vec<Locked>, Failure> {
        let ids: Vec<Uuid> = self.wants.keys().map(|id| id.0).collect();
        let statement = transaction.prepare_cached(LOCK).await?;
        let rows = transaction.query(&statement, &[&ids]).await?;
        rows.iter()
            .map(|row| Ok((batch_id(row, "batch_id")?, get(row, "counts")?)))
            .collect()
    }

    async fn claim(&self, transaction: &Transaction<'_>, locked: &[Locked]) -> Result<Vec<Held>, Failure> {
        let ids: Vec<Uuid> = locked.iter().map(|(id, _)| id.0).collect();
        let wanted = |id| self.wants.get(id).copied().unwrap_or(0);
        let items: Vec<i32> = locked.iter().map(|(id, _)| integer(wanted(id))).collect();
        let counts: Vec<bool> = locked.iter().map(|(_, counts)| *counts).collect();
        let statement = transaction.prepare_cached(CLAIM).await?;
        let rows = transaction
            .query(&statement, &[&ids, &items, &counts, &self.now, &self.lease_until])
            .await?;
        rows.iter().map(Held::read).collect()
    }
}

//! Counting what became of attempts.

mod place;
pub(crate) mod places;
pub(crate) mod record;

use async_trait::async_trait;
use flotilla_core::attempt::Attempt;
use flotilla_core::batch::Batch;
use flotilla_core::place::{Lease, Place};
use flotilla_core::ports::store::Ledger;
use flotilla_core::{BatchId, ItemIndex, Result};
use jiff::Timestamp;

use crate::PostgresStore;

#[async_trait]
impl Ledger for PostgresStore {
    async fn record(&self, attempts: Vec<Attempt>, now: Timestamp) -> Result<Vec<Batch>> {
        if attempts.is_empty() {
            return Ok(Vec::new());
        }
        self.sessions.run(record::Record::new(attempts, now)).await
    }

    async fn place(&self, batch: BatchId, index: ItemIndex) -> Result<Option<(Place, Option<Lease>)>> {
        self.sessions.run(place::PlaceOf { batch, index }).await
    }
}

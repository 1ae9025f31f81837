//! Counting outcomes.

mod columns;
pub(crate) mod finalize;
mod record;

use async_trait::async_trait;
use flotilla_core::Result;
use flotilla_core::batch::Batch;
use flotilla_core::outcome::Outcome;
use flotilla_core::ports::store::Ledger;
use jiff::Timestamp;

use crate::PostgresStore;

#[async_trait]
impl Ledger for PostgresStore {
    async fn record(&self, outcomes: Vec<Outcome>, now: Timestamp) -> Result<Vec<Batch>> {
        if outcomes.is_empty() {
            return Ok(Vec::new());
        }
        self.sessions.run(record::Record::new(outcomes, now)).await
    }
}

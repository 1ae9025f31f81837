//! Batches that are being cancelled.

use flotilla_core::{BatchId, Result};

use crate::error::Failure;
use crate::rows::batch_id;
use crate::session::{Client, Operation};

/// Those first that have been at it for longest.
const HALTED: &str = "\
    SELECT id FROM batches WHERE state = 'cancelling' ORDER BY halted_at NULLS FIRST, id LIMIT $1";

pub(super) struct Halted {
    pub(super) limit: u32,
}

impl Operation for Halted {
    type Output = Vec<BatchId>;
    const ATTEMPT: &'static str = "look for batches that are being cancelled";

    async fn run(&self, client: &mut Client) -> Result<Vec<BatchId>, Failure> {
        let statement = client.prepare_cached(HALTED).await?;
        let rows = client.query(&statement, &[&i64::from(self.limit)]).await?;
        rows.iter().map(|row| batch_id(row, "id")).collect()
    }
}

//! Finds batches that stay open and that nobody seals.

use flotilla_core::{BatchId, Result};
use jiff::Timestamp;

use crate::error::Failure;
use crate::rows::batch_id;
use crate::session::{Client, Operation};

/// Without an index over their times, as with uploads.
const UNSEALED: &str = "\
    SELECT id FROM batches
    WHERE state = 'open' AND stays_open AND last_append_at < $1
    ORDER BY last_append_at, id
    LIMIT $2";

pub(super) struct Unsealed {
    pub(super) idle_since: Timestamp,
    pub(super) limit: u32,
}

impl Operation for Unsealed {
    type Output = Vec<BatchId>;
    const ATTEMPT: &'static str = "look for batches that nobody seals";

    async fn run(&self, client: &mut Client) -> Result<Vec<BatchId>, Failure> {
        let statement = client.prepare_cached(UNSEALED).await?;
        let rows = client
            .query(&statement, &[&self.idle_since, &i64::from(self.limit)])
            .await?;
        rows.iter().map(|row| batch_id(row, "id")).collect()
    }
}

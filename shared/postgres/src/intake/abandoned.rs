//! Finds uploads that nobody finishes.

use flotilla_core::{BatchId, Result};
use jiff::Timestamp;

use crate::error::Failure;
use crate::rows::batch_id;
use crate::session::{Client, Operation};

/// There are never many open batches: no index over their times, which would be written with every chunk.
const ABANDONED: &str = "\
    SELECT id FROM batches
    WHERE state = 'open' AND NOT stays_open AND last_append_at < $1
    ORDER BY last_append_at, id
    LIMIT $2";

pub(super) struct Abandoned {
    pub(super) idle_since: Timestamp,
    pub(super) limit: u32,
}

impl Operation for Abandoned {
    type Output = Vec<BatchId>;
    const ATTEMPT: &'static str = "look for abandoned uploads";

    async fn run(&self, client: &mut Client) -> Result<Vec<BatchId>, Failure> {
        let statement = client.prepare_cached(ABANDONED).await?;
        let rows = client
            .query(&statement, &[&self.idle_since, &i64::from(self.limit)])
            .await?;
        rows.iter().map(|row| batch_id(row, "id")).collect()
    }
}

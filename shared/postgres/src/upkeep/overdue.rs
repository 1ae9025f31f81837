//! Batches whose deadline has passed.

use flotilla_core::{BatchId, Result, Space};
use jiff::Timestamp;

use crate::error::Failure;
use crate::rows::{batch_id, parsed};
use crate::session::{Client, Operation};

const OVERDUE: &str = "\
    SELECT id, space FROM batches
    WHERE deadline <= $2 AND state IN ('open', 'pending', 'processing', 'paused')
    ORDER BY deadline, id
    LIMIT $1";

pub(super) struct Overdue {
    pub(super) limit: u32,
    pub(super) now: Timestamp,
}

impl Operation for Overdue {
    type Output = Vec<(Space, BatchId)>;
    const ATTEMPT: &'static str = "look for batches that are overdue";

    async fn run(&self, client: &mut Client) -> Result<Self::Output, Failure> {
        let statement = client.prepare_cached(OVERDUE).await?;
        let rows = client
            .query(&statement, &[&i64::from(self.limit), &self.now])
            .await?;
        rows.iter()
            .map(|row| Ok((parsed(row, "space")?, batch_id(row, "id")?)))
            .collect()
    }
}

//! Ended batches that are to be removed.

use flotilla_core::{BatchId, Result, Space};

use crate::error::Failure;
use crate::rows::{batch_id, parsed};
use crate::session::{Client, Operation};

const DELETED: &str = "\
    SELECT id, space FROM batches
    WHERE deleted_at IS NOT NULL AND state IN ('completed', 'failed', 'cancelled')
    ORDER BY deleted_at, id
    LIMIT $1";

pub(super) struct Deleted {
    pub(super) limit: u32,
}

impl Operation for Deleted {
    type Output = Vec<(Space, BatchId)>;
    const ATTEMPT: &'static str = "look for batches to remove";

    async fn run(&self, client: &mut Client) -> Result<Self::Output, Failure> {
        let statement = client.prepare_cached(DELETED).await?;
        let rows = client.query(&statement, &[&i64::from(self.limit)]).await?;
        rows.iter()
            .map(|row| Ok((parsed(row, "space")?, batch_id(row, "id")?)))
            .collect()
    }
}

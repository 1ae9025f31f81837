//! Batches that ended long ago.

use flotilla_core::{BatchId, Result, Space};
use jiff::Timestamp;

use crate::error::Failure;
use crate::rows::{batch_id, parsed};
use crate::session::{Client, Operation};

const ENDED: &str = "\
    SELECT id, space FROM batches
    WHERE completed_at < $1 AND expires_at IS NULL AND state IN ('completed', 'failed', 'cancelled') AND deleted_at IS NULL
    ORDER BY completed_at, id
    LIMIT $2";

pub(super) struct Ended {
    pub(super) before: Timestamp,
    pub(super) limit: u32,
}

impl Operation for Ended {
    type Output = Vec<(Space, BatchId)>;
    const ATTEMPT: &'static str = "look for batches that ended long ago";

    async fn run(&self, client: &mut Client) -> Result<Self::Output, Failure> {
        let statement = client.prepare_cached(ENDED).await?;
        let rows = client
            .query(&statement, &[&self.before, &i64::from(self.limit)])
            .await?;
        rows.iter()
            .map(|row| Ok((parsed(row, "space")?, batch_id(row, "id")?)))
            .collect()
    }
}

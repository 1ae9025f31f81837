//! Batches of every space that services watch over.

use flotilla_core::batch::Batch;
use flotilla_core::{BatchId, Result};
use jiff::Timestamp;

use crate::error::Failure;
use crate::rows::{batches, select_batches};
use crate::session::{Client, Operation};

const UNFINISHED: &str = select_batches!(
    "WHERE b.state IN ('pending', 'processing', 'paused', 'cancelling') AND b.deleted_at IS NULL
       AND b.id > $2
     ORDER BY b.id LIMIT $1"
);
const FINISHED: &str = select_batches!(
    "WHERE (b.completed_at, b.id) > ($2, $3) AND b.deleted_at IS NULL ORDER BY b.completed_at, b.id LIMIT $1"
);

pub(super) struct Unfinished {
    pub(super) after: Option<BatchId>,
    pub(super) limit: u32,
}

impl Operation for Unfinished {
    type Output = Vec<Batch>;
    const ATTEMPT: &'static str = "list batches that have not ended";

    async fn run(&self, client: &mut Client) -> Result<Vec<Batch>, Failure> {
        let statement = client.prepare_cached(UNFINISHED).await?;
        let after = self.after.unwrap_or(BatchId::LOWEST);
        batches(
            &client
                .query(&statement, &[&i64::from(self.limit), &after.0])
                .await?,
        )
    }
}

pub(super) struct Finished {
    pub(super) after: (Timestamp, BatchId),
    pub(super) limit: u32,
}

impl Operation for Finished {
    type Output = Vec<Batch>;
    const ATTEMPT: &'static str = "list batches that have ended";

    async fn run(&self, client: &mut Client) -> Result<Vec<Batch>, Failure> {
        let statement = client.prepare_cached(FINISHED).await?;
        let (since, id) = self.after;
        batches(
            &client
                .query(&statement, &[&i64::from(self.limit), &since, &id.0])
                .await?,
        )
    }
}

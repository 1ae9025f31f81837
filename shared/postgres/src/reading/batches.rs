//! Batches of a space.

use flotilla_core::batch::{Batch, BatchFilter};
use flotilla_core::{BatchId, Result, Space};
use uuid::Uuid;

use crate::error::Failure;
use crate::rows::{batch, batches, select_batches};
use crate::session::{Client, Operation};

pub(super) const ONE: &str = select_batches!("WHERE b.id = $1 AND b.space = $2 AND b.deleted_at IS NULL");

/// Newest first. A bound that is always there lets every plan start at the right end of the index. Each of the two kinds
/// has an index of its own, in the same order.
const PAGE: &str = select_batches!(
    "WHERE b.id IN (
         (SELECT id FROM batches
          WHERE space = $1 AND state <> 'open' AND id < $2 AND ($3::text IS NULL OR state = $3) AND deleted_at IS NULL
          ORDER BY id DESC LIMIT $4)
         UNION ALL
         (SELECT id FROM batches
          WHERE space = $1 AND state = 'open' AND stays_open AND id < $2 AND ($3::text IS NULL OR $3 = 'open')
            AND deleted_at IS NULL
          ORDER BY id DESC LIMIT $4)
     )
     ORDER BY b.id DESC LIMIT $4"
);

pub(super) struct One<'a> {
    pub(super) space: &'a Space,
    pub(super) id: BatchId,
}

impl Operation for One<'_> {
    type Output = Option<Batch>;
    const ATTEMPT: &'static str = "read a batch";

    async fn run(&self, client: &mut Client) -> Result<Option<Batch>, Failure> {
        let statement = client.prepare_cached(ONE).await?;
        let row = client
            .query_opt(&statement, &[&self.id.0, &self.space.as_str()])
            .await?;
        row.as_ref().map(batch).transpose()
    }
}

pub(super) struct Page<'a> {
    pub(super) space: &'a Space,
    pub(super) filter: &'a BatchFilter,
    pub(super) limit: u32,
}

impl Operation for Page<'_> {
    type Output = Vec<Batch>;
    const ATTEMPT: &'static str = "list batches";

    async fn run(&self, client: &mut Client) -> Result<Vec<Batch>, Failure> {
        let before = self.filter.before.map_or(Uuid::max(), |id| id.0);
        let state = self.filter.state.map(flotilla_core::BatchState::as_str);
        let statement = client.prepare_cached(PAGE).await?;
        let rows = client
            .query(
                &statement,
                &[&self.space.as_str(), &before, &state, &i64::from(self.limit)],
            )
            .await?;
        batches(&rows)
    }
}

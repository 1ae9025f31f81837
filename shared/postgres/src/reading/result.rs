//! What a finished batch amounts to.

use flotilla_core::result::BatchResult;
use flotilla_core::{BatchId, Result, Space};

use crate::error::Failure;
use crate::rows::{integer, value};
use crate::session::{Client, Operation};

pub(super) const RESULT: &str = "\
    SELECT r.result::text
    FROM batch_results r
    WHERE r.batch_id = $1 AND r.space = $2 AND ($3::integer IS NULL OR r.revision = $3)
      AND EXISTS (SELECT FROM batches WHERE id = $1 AND deleted_at IS NULL)
    ORDER BY r.revision DESC
    LIMIT 1";

pub(super) struct ResultOf<'a> {
    pub(super) space: &'a Space,
    pub(super) batch: BatchId,
    pub(super) revision: Option<u32>,
}

impl Operation for ResultOf<'_> {
    type Output = Option<BatchResult>;
    const ATTEMPT: &'static str = "read a result";

    async fn run(&self, client: &mut Client) -> Result<Option<BatchResult>, Failure> {
        let statement = client.prepare_cached(RESULT).await?;
        let revision = self.revision.map(integer);
        let row = client
            .query_opt(&statement, &[&self.batch.0, &self.space.as_str(), &revision])
            .await?;
        row.map(|row| value(&row, "result")).transpose()
    }
}

//! What a finished batch amounts to.

use flotilla_core::result::BatchResult;
use flotilla_core::{BatchId, Result, Space};

use crate::error::Failure;
use crate::rows::{corrupt, get};
use crate::session::{Client, Operation};

const LATEST: &str = "\
    SELECT result::text FROM batch_results WHERE batch_id = $1 AND space = $2 ORDER BY revision DESC LIMIT 1";

pub(super) struct Latest<'a> {
    pub(super) space: &'a Space,
    pub(super) batch: BatchId,
}

impl Operation for Latest<'_> {
    type Output = Option<BatchResult>;
    const ATTEMPT: &'static str = "read a result";

    async fn run(&self, client: &mut Client) -> Result<Option<BatchResult>, Failure> {
        let statement = client.prepare_cached(LATEST).await?;
        let row = client
            .query_opt(&statement, &[&self.batch.0, &self.space.as_str()])
            .await?;
        row.map(|row| serde_json::from_str(get(&row, "result")?).map_err(|error| corrupt("result", error)))
            .transpose()
    }
}

//! Decides that a part of a batch is removed from now on.

use flotilla_core::retention::Part;
use flotilla_core::{BatchId, Result};
use jiff::Timestamp;

use super::{locked, save};
use crate::error::Failure;
use crate::session::{Client, Operation};

const BEGIN: &str = "\
    UPDATE batch_expiries SET begun = true WHERE batch_id = $1 AND part = $2 AND due_at <= $3";

pub(super) struct Begin {
    pub(super) batch: BatchId,
    pub(super) part: Part,
    pub(super) now: Timestamp,
}

impl Operation for Begin {
    type Output = bool;
    const ATTEMPT: &'static str = "begin to remove a part of a batch";

    async fn run(&self, client: &mut Client) -> Result<bool, Failure> {
        let transaction = client.transaction().await?;
        let Some(mut record) = locked(&transaction, self.batch).await? else {
            return Ok(false);
        };
        if !record.begin_expiry(self.part) {
            return Ok(false);
        }
        let begin = transaction.prepare_cached(BEGIN).await?;
        let due = transaction
            .execute(&begin, &[&self.batch.0, &self.part.as_str(), &self.now])
            .await?;
        if due == 0 {
            return Ok(false);
        }
        save(&transaction, self.batch, &record.control).await?;
        transaction.commit().await?;
        Ok(true)
    }
}

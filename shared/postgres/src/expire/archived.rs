//! Notes that a batch was archived.

use flotilla_core::{BatchId, Result};

use super::{locked, save};
use crate::error::Failure;
use crate::session::{Client, Operation};

pub(super) struct Archived {
    pub(super) batch: BatchId,
    pub(super) revision: u32,
}

impl Operation for Archived {
    type Output = bool;
    const ATTEMPT: &'static str = "note that a batch was archived";

    async fn run(&self, client: &mut Client) -> Result<bool, Failure> {
        let transaction = client.transaction().await?;
        let Some(mut record) = locked(&transaction, self.batch).await? else {
            return Ok(false);
        };
        let noted = record.archived(self.revision);
        if noted {
            save(&transaction, self.batch, &record.control).await?;
            transaction.commit().await?;
        }
        Ok(noted)
    }
}

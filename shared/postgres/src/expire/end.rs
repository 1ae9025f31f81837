//! Notes that nothing of a part of a batch is left.

use flotilla_core::retention::Part;
use flotilla_core::{BatchId, Result};

use super::{locked, save};
use crate::error::Failure;
use crate::session::{Client, Operation};

const END: &str = "DELETE FROM batch_expiries WHERE batch_id = $1 AND part = $2 AND begun";

pub(super) struct End {
    pub(super) batch: BatchId,
    pub(super) part: Part,
}

impl Operation for End {
    type Output = ();
    const ATTEMPT: &'static str = "end the removal of a part of a batch";

    async fn run(&self, client: &mut Client) -> Result<(), Failure> {
        let transaction = client.transaction().await?;
        let Some(mut record) = locked(&transaction, self.batch).await? else {
            return Ok(());
        };
        let end = transaction.prepare_cached(END).await?;
        let ended = transaction
            .execute(&end, &[&self.batch.0, &self.part.as_str()])
            .await?;
        if ended > 0 {
            record.end_expiry(self.part);
            save(&transaction, self.batch, &record.control).await?;
        }
        transaction.commit().await?;
        Ok(())
    }
}

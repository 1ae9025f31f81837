//! Lets somebody append items to a batch that stays open.

use std::time::Duration;

use flotilla_core::ports::store::Appending;
use flotilla_core::{BatchId, BatchState, Result, Space};
use jiff::{SignedDuration, Timestamp};

use super::kept_open;
use crate::error::Failure;
use crate::lock;
use crate::rows::{bigint, get, record};
use crate::session::{Client, Operation};

const BEGIN: &str = "\
    UPDATE batches SET append_ms = $2, last_append_at = greatest(last_append_at, $3) WHERE id = $1";

pub(super) struct BeginAppend<'a> {
    pub(super) space: &'a Space,
    pub(super) batch: BatchId,
    pub(super) patience: Duration,
    pub(super) now: Timestamp,
}

impl Operation for BeginAppend<'_> {
    type Output = Appending;
    const ATTEMPT: &'static str = "begin an append";

    async fn run(&self, client: &mut Client) -> Result<Appending, Failure> {
        let transaction = client.transaction().await?;
        let Some(row) = lock::whole(&transaction, self.batch).await? else {
            return Ok(Appending::Unknown);
        };
        let batch = record(&row)?;
        if batch.space != *self.space || batch.deleted_at.is_some() {
            return Ok(Appending::Unknown);
        }
        if batch.state != BatchState::Open {
            return Ok(Appending::NotOpen(Box::new(batch.seen_at(self.now))));
        }
        let patience = SignedDuration::try_from(self.patience).unwrap_or(SignedDuration::MAX);
        // Until an upload is accepted, it is its uploader who appends.
        if !get::<bool>(&row, "stays_open")? || kept_open::is_appending(&row, Some(patience), self.now)? {
            return Ok(Appending::Busy);
        }
        kept_open::drop_unkept(&transaction, self.batch, self.now).await?;
        let begin = transaction.prepare_cached(BEGIN).await?;
        let ms = bigint(self.patience.as_millis());
        transaction
            .execute(&begin, &[&self.batch.0, &ms, &self.now])
            .await?;
        transaction.commit().await?;
        Ok(Appending::Ready {
            first: batch.total,
            skipped: batch.skipped,
        })
    }
}

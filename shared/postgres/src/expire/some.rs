//! Removes what some rows have of a part of a batch.
//!
//! Rows are walked by their index, and how far that went is kept, so that no step looks at what an earlier one has done.
//! A step holds locks on these rows, which nobody else wants, and on that of the expiry, which keeps a second scheduler
//! from the same work.

use deadpool_postgres::Transaction;
use flotilla_core::ports::store::Removed;
use flotilla_core::retention::Part;
use flotilla_core::{BatchId, Result};

use crate::error::Failure;
use crate::rows::get;
use crate::session::{Client, Operation};

const LOCK: &str = "\
    SELECT e.next_index, b.total
    FROM batch_expiries e
    JOIN batches b ON b.id = e.batch_id
    WHERE e.batch_id = $1 AND e.part = $2 AND e.begun
    FOR NO KEY UPDATE OF e SKIP LOCKED";

const ADVANCE: &str = "UPDATE batch_expiries SET next_index = $3 WHERE batch_id = $1 AND part = $2";

/// The row stays: it has the producer's name of the item, and whoever counts rows finds as many as there were items.
const INPUTS: &str = "\
    UPDATE batch_items SET input = 'null'
    WHERE batch_id = $1 AND index >= $2 AND index < $3 AND input <> 'null'";

const OUTPUTS: &str = "\
    UPDATE batch_outcomes SET output = NULL, output_key = NULL, output_bytes = NULL
    WHERE batch_id = $1 AND index >= $2 AND index < $3 AND (output IS NOT NULL OR output_key IS NOT NULL)";

/// What was sent and left out is an input, too.
const SKIPPED: &str = "\
    DELETE FROM batch_skipped
    WHERE ctid = ANY (ARRAY(SELECT ctid FROM batch_skipped WHERE batch_id = $1 LIMIT $2))";

const DEAD_LETTERS: &str = "\
    DELETE FROM dead_letters
    WHERE ctid = ANY (ARRAY(SELECT ctid FROM dead_letters WHERE batch_id = $1 LIMIT $2))";

pub(super) struct RemoveSome {
    pub(super) batch: BatchId,
    pub(super) part: Part,
    pub(super) limit: u32,
}

impl Operation for RemoveSome {
    type Output = Removed;
    const ATTEMPT: &'static str = "remove a part of a batch";

    async fn run(&self, client: &mut Client) -> Result<Removed, Failure> {
        let transaction = client.transaction().await?;
        let lock = transaction.prepare_cached(LOCK).await?;
        let part = self.part.as_str();
        let Some(row) = transaction.query_opt(&lock, &[&self.batch.0, &part]).await? else {
            return Ok(Removed::Nothing);
        };
        let removed = match self.part {
            Part::Inputs => match self.walk(&transaction, INPUTS, &row).await? {
                Removed::All => self.delete(&transaction, SKIPPED).await?,
                some => some,
            },
            Part::Outputs => self.walk(&transaction, OUTPUTS, &row).await?,
            Part::DeadLetters => self.delete(&transaction, DEAD_LETTERS).await?,
            // They have no rows.
            Part::Artifacts | Part::Results => Removed::All,
        };
        transaction.commit().await?;
        Ok(removed)
    }
}

impl RemoveSome {
    async fn walk(
        &self,
        transaction: &Transaction<'_>,
        update: &'static str,
        row: &tokio_postgres::Row,
    ) -> Result<Removed, Failure> {
        let (first, total): (i32, i32) = (get(row, "next_index")?, get(row, "total")?);
        let step = i32::try_from(self.limit.max(1)).unwrap_or(i32::MAX);
        let end = first.saturating_add(step).min(total);
        if first >= end {
            return Ok(Removed::All);
        }
        let update = transaction.prepare_cached(update).await?;
        transaction
            .execute(&update, &[&self.batch.0, &first, &end])
            .await?;
        let advance = transaction.prepare_cached(ADVANCE).await?;
        let part = self.part.as_str();
        transaction
            .execute(&advance, &[&self.batch.0, &part, &end])
            .await?;
        Ok(if end < total { Removed::Some } else { Removed::All })
    }

    async fn delete(&self, transaction: &Transaction<'_>, delete: &'static str) -> Result<Removed, Failure> {
        let delete = transaction.prepare_cached(delete).await?;
        let most = i64::from(self.limit.max(1));
        let gone = transaction.execute(&delete, &[&self.batch.0, &most]).await?;
        Ok(if gone < most.unsigned_abs() {
            Removed::All
        } else {
            Removed::Some
        })
    }
}

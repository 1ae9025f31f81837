//! What is sent with a batch and skipped.

use deadpool_postgres::Transaction;
use flotilla_core::skipped::SkippedItem;
use flotilla_core::{BatchId, Result};

use crate::error::Failure;
use crate::rows::{integer, storable};
use crate::session::{Client, Operation};

/// The guard, as for items: nobody seals or discards meanwhile.
const OPEN: &str = "SELECT FROM batches WHERE id = $1 AND state = 'open' FOR NO KEY UPDATE";

/// In place of what an append left that never ended.
const INSERT: &str = "\
    INSERT INTO batch_skipped (batch_id, number, position, line, reason, detail, pointer, input)
    SELECT $1::uuid, s.* FROM unnest(
        $2::integer[], $3::integer[], $4::integer[], $5::text[], $6::text[], $7::text[], $8::text[]
    ) AS s (number, position, line, reason, detail, pointer, input)
    ON CONFLICT (batch_id, number) DO UPDATE
    SET position = excluded.position, line = excluded.line, reason = excluded.reason, detail = excluded.detail,
        pointer = excluded.pointer, input = excluded.input";

/// Rows per statement: none takes more than about a megabyte.
const SLICE: usize = 200;

const DROP: &str = "DELETE FROM batch_skipped WHERE batch_id = $1 AND number >= $2";

pub(super) struct Skip {
    pub(super) batch: BatchId,
    pub(super) first: u32,
    pub(super) skipped: Vec<SkippedItem>,
}

impl Operation for Skip {
    type Output = ();
    const ATTEMPT: &'static str = "keep what is skipped";

    async fn run(&self, client: &mut Client) -> Result<(), Failure> {
        let transaction = client.transaction().await?;
        let open = transaction.prepare_cached(OPEN).await?;
        if transaction.query_opt(&open, &[&self.batch.0]).await?.is_none() {
            let id = self.batch;
            return Err(Failure::Conflict(format!("batch {id} is not open")));
        }
        insert(&transaction, self.batch, self.first, &self.skipped).await?;
        Ok(transaction.commit().await?)
    }
}

/// Writes rows from `first` on. The caller has locked the batch.
pub(super) async fn insert(
    transaction: &Transaction<'_>,
    batch: BatchId,
    first: u32,
    skipped: &[SkippedItem],
) -> Result<(), Failure> {
    let statement = transaction.prepare_cached(INSERT).await?;
    let mut number = first;
    for slice in skipped.chunks(SLICE) {
        let numbers: Vec<i32> = (number..).map(integer).take(slice.len()).collect();
        let positions: Vec<i32> = slice.iter().map(|one| integer(one.position)).collect();
        let lines: Vec<Option<i32>> = slice.iter().map(|one| one.line.map(integer)).collect();
        let reasons: Vec<&str> = slice.iter().map(|one| one.reason.as_str()).collect();
        let details: Vec<_> = slice.iter().map(|one| storable(&one.detail)).collect();
        let pointers: Vec<_> = slice
            .iter()
            .map(|one| one.pointer.as_deref().map(storable))
            .collect();
        let inputs: Vec<&str> = slice.iter().map(|one| one.input.as_str()).collect();
        transaction
            .execute(
                &statement,
                &[
                    &batch.0, &numbers, &positions, &lines, &reasons, &details, &pointers, &inputs,
                ],
            )
            .await?;
        number = number.saturating_add(u32::try_from(slice.len()).unwrap_or(u32::MAX));
    }
    Ok(())
}

/// Removes rows from `first` on.
pub(super) async fn drop_from(
    transaction: &Transaction<'_>,
    batch: BatchId,
    first: u32,
) -> Result<(), Failure> {
    let statement = transaction.prepare_cached(DROP).await?;
    transaction
        .execute(&statement, &[&batch.0, &integer(first)])
        .await?;
    Ok(())
}

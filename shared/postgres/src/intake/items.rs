//! Removes items that are not part of their batch.

use deadpool_postgres::Transaction;
use flotilla_core::{BatchId, ItemIndex};

use crate::error::Failure;
use crate::rows::integer;

const DELETE: &str = "DELETE FROM batch_items WHERE batch_id = $1 AND index >= $2 AND index < $3";

/// Items per statement, so that no statement comes near its time limit.
const SLICE: i32 = 50_000;

/// Removes items from `first` to before `end`. The caller has locked the batch.
pub(super) async fn delete(
    transaction: &Transaction<'_>,
    batch: BatchId,
    first: ItemIndex,
    end: ItemIndex,
) -> Result<(), Failure> {
    let statement = transaction.prepare_cached(DELETE).await?;
    let (mut from, end) = (integer(first), integer(end));
    while from < end {
        let to = from.saturating_add(SLICE).min(end);
        transaction.execute(&statement, &[&batch.0, &from, &to]).await?;
        from = to;
    }
    Ok(())
}

//! Takes every lock of one batch, for whoever does more to it than move its counts.

use deadpool_postgres::Transaction;
use flotilla_core::BatchId;
use futures_util::future::try_join4;
use tokio_postgres::Row;

use crate::error::Failure;
use crate::rows::select_batches;

/// In the order that everybody keeps. Nobody claims from it meanwhile,
const CURSOR: &str = "SELECT FROM batch_dispatch WHERE batch_id = $1 FOR NO KEY UPDATE";
/// moves its counts,
const COUNTERS: &str = "SELECT FROM batch_counters WHERE batch_id = $1 FOR NO KEY UPDATE";
/// or its state.
const BATCH: &str = "SELECT FROM batches WHERE id = $1 FOR NO KEY UPDATE";

const LOAD: &str = select_batches!("WHERE b.id = $1");

/// Locks a batch and reads it, in one flight: the server takes the locks before it reads.
pub(crate) async fn whole(transaction: &Transaction<'_>, batch: BatchId) -> Result<Option<Row>, Failure> {
    let cursor = transaction.prepare_cached(CURSOR).await?;
    let counters = transaction.prepare_cached(COUNTERS).await?;
    let row = transaction.prepare_cached(BATCH).await?;
    let load = transaction.prepare_cached(LOAD).await?;
    let (_, _, _, found) = try_join4(
        transaction.execute(&cursor, &[&batch.0]),
        transaction.execute(&counters, &[&batch.0]),
        transaction.execute(&row, &[&batch.0]),
        transaction.query_opt(&load, &[&batch.0]),
    )
    .await?;
    Ok(found)
}

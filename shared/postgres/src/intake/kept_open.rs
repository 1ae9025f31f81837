//! What batches that stay open have in common.

use deadpool_postgres::Transaction;
use flotilla_core::BatchId;
use jiff::{SignedDuration, Timestamp};
use tokio_postgres::Row;

use super::{items, names, skip};
use crate::error::Failure;
use crate::rows::{count, get};

const EXTENT: &str = "SELECT appended, total, skipped FROM batches WHERE id = $1";

const KEEP: &str = "\
    UPDATE batches SET total = appended, append_ms = NULL, last_append_at = greatest(last_append_at, $2) WHERE id = $1";

const SEALED: &str = "UPDATE batches SET sealed_at = $2 WHERE id = $1";

/// True while somebody appends who may still come back. `patience` is theirs where it is not said.
pub(crate) fn is_appending(
    row: &Row,
    patience: Option<SignedDuration>,
    now: Timestamp,
) -> Result<bool, Failure> {
    let Some(ms) = get::<Option<i64>>(row, "append_ms")? else {
        return Ok(false);
    };
    let heard: Timestamp = get(row, "last_append_at")?;
    let end = heard.saturating_add(patience.unwrap_or(SignedDuration::from_millis(ms)));
    Ok(end.is_ok_and(|end| end > now))
}

/// Removes whatever an append left that never ended, and lets nobody append. The caller has locked the batch.
pub(super) async fn drop_unkept(
    transaction: &Transaction<'_>,
    batch: BatchId,
    now: Timestamp,
) -> Result<(), Failure> {
    let extent = transaction.prepare_cached(EXTENT).await?;
    let row = transaction.query_one(&extent, &[&batch.0]).await?;
    let (kept, end) = (count(&row, "appended")?, count(&row, "total")?);
    if kept < end {
        items::delete(transaction, batch, kept, end).await?;
        names::free(transaction, batch, kept).await?;
    }
    skip::drop_from(transaction, batch, count(&row, "skipped")?).await?;
    let keep = transaction.prepare_cached(KEEP).await?;
    transaction.execute(&keep, &[&batch.0, &now]).await?;
    Ok(())
}

/// Ends the time in which a batch takes items. The caller has locked it.
pub(crate) async fn close(
    transaction: &Transaction<'_>,
    batch: BatchId,
    now: Timestamp,
) -> Result<(), Failure> {
    drop_unkept(transaction, batch, now).await?;
    let sealed = transaction.prepare_cached(SEALED).await?;
    transaction.execute(&sealed, &[&batch.0, &now]).await?;
    Ok(())
}

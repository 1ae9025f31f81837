//! A `custom_id` names one item of its batch.

use deadpool_postgres::Transaction;
use flotilla_core::item::NewItem;
use flotilla_core::ports::store::Namesake;
use flotilla_core::{BatchId, ItemIndex};

use crate::error::Failure;
use crate::rows::{count, get, integer};

const TAKE: &str = "\
    WITH named AS (
        SELECT * FROM unnest($2::text[], $3::integer[]) AS n (custom_id, index)
    ), taken AS (
        INSERT INTO item_names (batch_id, custom_id, index) SELECT $1::uuid, custom_id, index FROM named
        ON CONFLICT DO NOTHING RETURNING 1
    )
    SELECT count(*) AS taken FROM taken";

/// Asked in the transaction that took what was free: of two namesakes that came together, the first one has the name.
const NAMESAKES: &str = "\
    SELECT n.index, t.index AS other
    FROM unnest($2::text[], $3::integer[]) AS n (custom_id, index)
    JOIN item_names t ON t.batch_id = $1 AND t.custom_id = n.custom_id AND t.index <> n.index
    ORDER BY n.index";

/// A name of one batch is free again from this item on.
const FREE: &str = "DELETE FROM item_names WHERE batch_id = $1 AND index >= $2";

/// Takes the names of items from `first` on. Where some are taken already, answers those, and the caller rolls back.
pub(super) async fn take(
    transaction: &Transaction<'_>,
    batch: BatchId,
    first: ItemIndex,
    items: &[NewItem],
) -> Result<Vec<Namesake>, Failure> {
    let named = (first..)
        .zip(items)
        .filter_map(|(index, item)| Some((item.custom_id.as_deref()?, integer(index))));
    let (names, indices): (Vec<&str>, Vec<i32>) = named.unzip();
    if names.is_empty() {
        return Ok(Vec::new());
    }
    let statement = transaction.prepare_cached(TAKE).await?;
    let row = transaction
        .query_one(&statement, &[&batch.0, &names, &indices])
        .await?;
    let taken: i64 = get(&row, "taken")?;
    if usize::try_from(taken) == Ok(names.len()) {
        return Ok(Vec::new());
    }
    let statement = transaction.prepare_cached(NAMESAKES).await?;
    let rows = transaction
        .query(&statement, &[&batch.0, &names, &indices])
        .await?;
    rows.iter()
        .map(|row| {
            Ok(Namesake {
                index: count(row, "index")?,
                other: count(row, "other")?,
            })
        })
        .collect()
}

/// Gives the names of items from `first` on back.
pub(super) async fn free(
    transaction: &Transaction<'_>,
    batch: BatchId,
    first: ItemIndex,
) -> Result<(), Failure> {
    let statement = transaction.prepare_cached(FREE).await?;
    transaction
        .execute(&statement, &[&batch.0, &integer(first)])
        .await?;
    Ok(())
}

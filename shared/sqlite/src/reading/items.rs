//! Items of a batch, a page at a time.

use flotilla_core::ids::{BatchId, Space};
use flotilla_core::item::{Item, ItemFilter, ItemState};
use rusqlite::{Connection, OptionalExtension, named_params};

use crate::error::Done;
use crate::keys::{Id, Number};
use crate::rows::{ITEM_COLUMNS, item};

/// The items after the filter's `after`, in input order.
pub(super) fn page(
    db: &Connection,
    space: &Space,
    id: BatchId,
    filter: ItemFilter,
    limit: u32,
) -> Done<Vec<Item>> {
    let Some((number, next_index)) = cursor(db, space, id)? else {
        return Ok(Vec::new());
    };
    let Some(sql) = select(filter.state) else {
        return Ok(Vec::new());
    };
    let mut statement = db.prepare_cached(&sql)?;
    let named = named_params! {
        ":after": filter.after.map_or(number.key(0) - 1, |index| number.key(index)),
        ":next": number.key(next_index),
        ":end": number.end(),
        ":limit": limit,
    };
    let rows = statement.query_map(named, |row| item(row, next_index))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// The batch's number, and how far it is dispatched.
fn cursor(db: &Connection, space: &Space, id: BatchId) -> Done<Option<(Number, u32)>> {
    let sql = "
        SELECT number, next_index FROM batches JOIN batch_dispatch ON batch_dispatch.batch = batches.number
        WHERE space = ?1 AND id = ?2";
    let found = db
        .prepare_cached(sql)?
        .query_row((space.as_str(), Id(id)), |row| Ok((row.get(0)?, row.get(1)?)));
    Ok(found.optional()?)
}

/// The page of items in a state. `None` for states that no item has in this version.
fn select(state: Option<ItemState>) -> Option<String> {
    let (first, from, is) = source(state)?;
    // Ordered by the key of the table that is read first: then nothing needs to be sorted.
    Some(format!(
        "SELECT {ITEM_COLUMNS} {from}
         WHERE {first}.key > :after AND {first}.key < :end AND :next IS NOT NULL AND {is}
         ORDER BY {first}.key LIMIT :limit"
    ))
}

/// Where to look for items in a state: the table to begin with, the tables, and the condition. Each has a range of keys
/// or an index, so that a page costs what is on it.
fn source(state: Option<ItemState>) -> Option<(&'static str, &'static str, &'static str)> {
    let items = "
        FROM batch_items AS i
        LEFT JOIN batch_outcomes AS o ON o.key = i.key
        LEFT JOIN item_retries AS r ON r.key = i.key";
    // CROSS JOIN keeps the order of the tables.
    let outcomes = "
        FROM batch_outcomes AS o
        CROSS JOIN batch_items AS i ON i.key = o.key
        LEFT JOIN item_retries AS r ON r.key = i.key";
    let retries = "
        FROM item_retries AS r
        CROSS JOIN batch_items AS i ON i.key = r.key
        LEFT JOIN batch_outcomes AS o ON o.key = i.key";
    Some(match state {
        None => ("i", items, "TRUE"),
        Some(ItemState::Pending) => ("i", items, "i.key >= :next"),
        // The store can't tell them apart: only workers know what runs.
        Some(ItemState::Queued | ItemState::Processing) => {
            ("i", items, "i.key < :next AND o.key IS NULL AND r.due_at IS NULL")
        }
        Some(ItemState::Retrying) => ("r", retries, "r.due_at IS NOT NULL"),
        Some(ItemState::Waiting) => return None,
        Some(ItemState::Succeeded) => ("o", outcomes, "o.state = 'succeeded'"),
        // The second condition is that of the partial index.
        Some(ItemState::Failed) => ("o", outcomes, "o.state = 'failed' AND o.state <> 'succeeded'"),
        Some(ItemState::Cancelled) => ("o", outcomes, "o.state = 'cancelled' AND o.state <> 'succeeded'"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A page costs what is on it, however long the batch and however many there are.
    #[test]
    fn no_page_scans_a_table() {
        let mut db = Connection::open_in_memory().unwrap();
        crate::migrate::run(&mut db).unwrap();
        for sql in ItemState::ALL
            .map(Some)
            .into_iter()
            .chain([None])
            .filter_map(select)
        {
            let mut plan = db.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
            let steps = plan
                .query_map([0_i64; 4], |row| row.get::<_, String>("detail"))
                .unwrap();
            for step in steps.map(Result::unwrap) {
                assert!(
                    !step.contains("SCAN") && !step.contains("TEMP B-TREE"),
                    "{step}: {sql}"
                );
            }
        }
    }
}

//! Items of a batch, a page at a time.

use flotilla_core::ids::{BatchId, ItemIndex, Space};
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
    let Some((number, next_index, total)) = extent(db, space, id)? else {
        return Ok(Vec::new());
    };
    let mut page = Vec::new();
    for source in sources(filter.state) {
        let left = limit.saturating_sub(u32::try_from(page.len()).unwrap_or(u32::MAX));
        let mut statement = db.prepare_cached(&select(*source))?;
        let named = named_params! {
            ":after": filter.after.map_or(number.key(0) - 1, |index| number.key(index)),
            ":next": number.key(next_index),
            ":end": number.key(filter.before.map_or(total, |before| before.min(total))),
            ":limit": left,
        };
        let rows = statement.query_map(named, |row| item(row, next_index))?;
        for item in rows {
            page.push(item?);
        }
    }
    Ok(page)
}

/// The item that has this name.
pub(super) fn named(db: &Connection, space: &Space, id: BatchId, custom_id: &str) -> Done<Option<ItemIndex>> {
    let sql = "
        SELECT n.\"index\" FROM batches AS b CROSS JOIN item_names AS n ON n.batch = b.number AND n.custom_id = ?3
        WHERE b.space = ?1 AND b.id = ?2 AND b.deleted_at IS NULL";
    let found = db
        .prepare_cached(sql)?
        .query_row((space.as_str(), Id(id), custom_id), |row| row.get(0));
    Ok(found.optional()?)
}

/// The batch's number, how far it is dispatched, and how many items it has: not those of an append that has not ended.
fn extent(db: &Connection, space: &Space, id: BatchId) -> Done<Option<(Number, u32, u32)>> {
    let sql = "
        SELECT number, next_index, CASE WHEN state = 'open' AND stays_open THEN appended ELSE total END
        FROM batches JOIN batch_dispatch ON batch_dispatch.batch = batches.number
        WHERE space = ?1 AND id = ?2 AND deleted_at IS NULL";
    let found = db
        .prepare_cached(sql)?
        .query_row((space.as_str(), Id(id)), |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?))
        });
    Ok(found.optional()?)
}

/// Where to look for items: the table to begin with, and the condition.
type Source = (Table, &'static str);

/// Each has a range of keys or an index, so that a page costs what is on it.
#[derive(Clone, Copy)]
enum Table {
    Items,
    Outcomes,
    Retries,
    Leases,
}

impl Table {
    /// Its name in the query, and itself.
    fn names(self) -> (&'static str, &'static str) {
        match self {
            Self::Items => ("i", "batch_items AS i"),
            Self::Outcomes => ("o", "batch_outcomes AS o"),
            Self::Retries => ("r", "item_retries AS r"),
            Self::Leases => ("l", "item_leases AS l"),
        }
    }
}

/// Where to look for items in a state, in the order of their keys.
fn sources(state: Option<ItemState>) -> &'static [Source] {
    match state {
        None => &[(Table::Items, "TRUE")],
        // What came back was dispatched once: it is before those that never were.
        Some(ItemState::Pending) => &[
            (Table::Retries, "r.due_at IS NOT NULL AND r.kind = 'returned'"),
            (Table::Items, "i.key >= :next"),
        ],
        // The store can't tell them apart: only workers know what runs.
        Some(ItemState::Queued | ItemState::Processing) => &[(
            Table::Items,
            "i.key < :next AND o.key IS NULL AND r.due_at IS NULL AND (l.kind IS NULL OR l.kind = 'leased')",
        )],
        Some(ItemState::Retrying) => &[(Table::Retries, "r.due_at IS NOT NULL AND r.kind = 'retrying'")],
        Some(ItemState::Waiting) => &[(Table::Leases, "l.kind = 'waiting'")],
        Some(ItemState::Succeeded) => &[(Table::Outcomes, "o.state = 'succeeded'")],
        // The second condition is that of the partial index.
        Some(ItemState::Failed) => &[(Table::Outcomes, "o.state = 'failed' AND o.state <> 'succeeded'")],
        Some(ItemState::Cancelled) => &[(
            Table::Outcomes,
            "o.state = 'cancelled' AND o.state <> 'succeeded'",
        )],
    }
}

fn select((table, is): Source) -> String {
    let (first, from) = table.names();
    let others = [
        ("o", "LEFT JOIN batch_outcomes AS o ON o.key = i.key"),
        ("r", "LEFT JOIN item_retries AS r ON r.key = i.key"),
        ("l", "LEFT JOIN item_leases AS l ON l.key = i.key"),
    ];
    let others: Vec<_> = others
        .into_iter()
        .filter_map(|(name, join)| (name != first).then_some(join))
        .collect();
    // CROSS JOIN keeps the order of the tables.
    let items = if first == "i" {
        ""
    } else {
        &format!("CROSS JOIN batch_items AS i ON i.key = {first}.key")
    };
    let others = others.join(" ");
    // Ordered by the key of the table that is read first: then nothing needs to be sorted.
    format!(
        "SELECT {ITEM_COLUMNS} FROM {from} {items} {others}
         LEFT JOIN item_attempts AS t ON o.key IS NULL AND r.key IS NOT NULL AND t.key = i.key
              AND t.attempt = (SELECT max(attempt) FROM item_attempts WHERE key = i.key)
         WHERE {first}.key > :after AND {first}.key < :end AND :next IS NOT NULL AND {is}
         ORDER BY {first}.key LIMIT :limit"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A page costs what is on it, however long the batch and however many there are.
    #[test]
    fn no_page_scans_a_table() {
        let states = ItemState::ALL.map(Some).into_iter().chain([None]);
        for source in states.flat_map(sources) {
            crate::plans::assert_direct(&select(*source));
        }
    }
}

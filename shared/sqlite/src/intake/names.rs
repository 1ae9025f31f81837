//! A `custom_id` names one item of its batch.

use flotilla_core::ids::ItemIndex;
use flotilla_core::item::NewItem;
use flotilla_core::ports::store::Namesake;
use rusqlite::Connection;

use crate::error::Done;
use crate::keys::Number;

/// Takes the names of items from `first` on. Where some are taken already, answers those, and takes
/// none.
pub(super) fn take(
    db: &Connection,
    number: Number,
    first: ItemIndex,
    items: &[NewItem],
) -> Done<Vec<Namesake>> {
    let mut namesakes = Vec::new();
    for (index, item) in (first..).zip(items) {
        let Some(name) = item.custom_id.as_deref() else {
            continue;
        };
        let sql =
            "INSERT INTO item_names (batch, custom_id, \"index\") VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING";
        if db.prepare_cached(sql)?.execute((number, name, index))? == 0 {
            let sql = "SELECT \"index\" FROM item_names WHERE batch = ?1 AND custom_id = ?2";
            let other = db
                .prepare_cached(sql)?
                .query_one((number, name), |row| row.get(0))?;
            namesakes.push(Namesake { index, other });
        }
    }
    if !namesakes.is_empty() {
        let sql = "DELETE FROM item_names WHERE batch = ?1 AND custom_id = ?2 AND \"index\" >= ?3";
        let mut statement = db.prepare_cached(sql)?;
        for name in items.iter().filter_map(|item| item.custom_id.as_deref()) {
            statement.execute((number, name, first))?;
        }
    }
    Ok(namesakes)
}

/// Gives the names of items from `first` on back.
pub(super) fn free(db: &Connection, number: Number, first: ItemIndex) -> Done<()> {
    let sql = "DELETE FROM item_names WHERE batch = ?1 AND \"index\" >= ?2";
    db.prepare_cached(sql)?.execute((number, first))?;
    Ok(())
}

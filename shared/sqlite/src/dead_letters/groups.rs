//! Dead letters by what they have in common.

use flotilla_core::dead_letter::{DeadFilter, DeadGroup};
use flotilla_core::ids::Space;
use rusqlite::{Connection, Row};

use super::filter::Filter;
use crate::error::Done;
use crate::keys::{Micros, unsigned};

/// The largest groups.
pub(super) fn largest(
    db: &Connection,
    space: &Space,
    filter: &DeadFilter,
    limit: u32,
) -> Done<Vec<DeadGroup>> {
    let Some(filter) = Filter::new(db, space, filter)? else {
        return Ok(Vec::new());
    };
    let sql = format!(
        "SELECT d.fingerprint, count(*) AS count, count(DISTINCT d.id) AS batches,
                min(d.dead_at) AS first_at, max(d.dead_at) AS last_at
         {} GROUP BY d.fingerprint ORDER BY count(*) DESC, d.fingerprint LIMIT :limit",
        filter.from
    );
    let mut statement = db.prepare_cached(&sql)?;
    let groups = statement.query_map(&*filter.values(":limit", &limit), read)?;
    let mut groups: Vec<DeadGroup> = groups.collect::<Result<_, _>>()?;
    for group in &mut groups {
        group.sample = latest(db, &filter, &group.fingerprint)?;
    }
    Ok(groups)
}

fn read(row: &Row<'_>) -> rusqlite::Result<DeadGroup> {
    Ok(DeadGroup {
        fingerprint: row.get("fingerprint")?,
        count: unsigned(row.get("count")?),
        batches: unsigned(row.get("batches")?),
        sample: String::new(),
        first_at: row.get::<_, Micros>("first_at")?.0,
        last_at: row.get::<_, Micros>("last_at")?.0,
    })
}

/// The message of the one that died last.
fn latest(db: &Connection, filter: &Filter, fingerprint: &str) -> Done<String> {
    let sql = format!(
        "SELECT d.error_message {} AND d.fingerprint = :group
         ORDER BY d.dead_at DESC, d.id DESC, d.key DESC LIMIT 1",
        filter.from
    );
    let mut statement = db.prepare_cached(&sql)?;
    Ok(statement.query_row(&*filter.values(":group", &fingerprint), |row| row.get(0))?)
}

//! Dead letters, a page at a time.

use flotilla_core::dead_letter::{DeadFilter, DeadLetter};
use flotilla_core::ids::{Space, WorkerId};
use flotilla_core::outcome::ItemError;
use rusqlite::{Connection, Row};

use super::filter::{Filter, ORDER};
use crate::error::Done;
use crate::keys::{Id, Micros, index_of};
use crate::rows::{Kind, Raw, Text};

/// The first ones, or those after the filter's `after`.
pub(super) fn page(db: &Connection, space: &Space, filter: &DeadFilter, limit: u32) -> Done<Vec<DeadLetter>> {
    let Some(filter) = Filter::new(db, space, filter)? else {
        return Ok(Vec::new());
    };
    let sql = format!(
        "SELECT d.*, (SELECT custom_id FROM batch_items WHERE key = d.key) AS custom_id,
                (SELECT input FROM batch_items WHERE key = d.key) AS input
         {} {ORDER} LIMIT :limit",
        filter.from
    );
    let mut statement = db.prepare_cached(&sql)?;
    let letters = statement.query_map(&*filter.values(":limit", &limit), read)?;
    Ok(letters.collect::<Result<_, _>>()?)
}

fn read(row: &Row<'_>) -> rusqlite::Result<DeadLetter> {
    let worker: Option<String> = row.get("worker")?;
    let Kind(kind) = row.get("error_kind")?;
    Ok(DeadLetter {
        batch: row.get::<_, Id>("id")?.0,
        index: index_of(row.get("key")?),
        space: row.get::<_, Text<_>>("space")?.0,
        job_type: row.get("job_type")?,
        custom_id: row.get("custom_id")?,
        input: row.get::<_, Raw>("input")?.0,
        error: ItemError {
            kind,
            message: row.get("error_message")?,
        },
        fingerprint: row.get("fingerprint")?,
        attempts: row.get("attempts")?,
        worker: worker.map(|worker| WorkerId(worker.into())),
        started_at: row.get::<_, Micros>("started_at")?.0,
        dead_at: row.get::<_, Micros>("dead_at")?.0,
    })
}

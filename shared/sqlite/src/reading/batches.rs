//! Batches.

use std::cmp::Reverse;

use flotilla_core::batch::{Batch, BatchFilter, BatchName, BatchState};
use flotilla_core::ids::{BatchId, Space};
use jiff::Timestamp;
use rusqlite::{Connection, ToSql, named_params};

use crate::error::Done;
use crate::keys::{Id, Micros, database_now};
use crate::rows::BatchRow;

/// One batch, also an open one.
pub(super) fn one(db: &Connection, space: &Space, id: BatchId) -> Done<Option<Batch>> {
    let named = named_params! { ":space": space.as_str(), ":id": Id(id) };
    Ok(select(
        db,
        "WHERE space = :space AND id = :id AND deleted_at IS NULL",
        named,
    )?
    .pop())
}

/// Accepted batches of a space, some of them still open, newest first: ids sort by time.
pub(super) fn page(db: &Connection, space: &Space, filter: &BatchFilter, limit: u32) -> Done<Vec<Batch>> {
    listed(space, filter, limit, |rest, named| select(db, rest, named))
}

/// What people call them.
pub(super) fn names(
    db: &Connection,
    space: &Space,
    filter: &BatchFilter,
    limit: u32,
) -> Done<Vec<BatchName>> {
    listed(space, filter, limit, |rest, named| {
        let mut statement = db.prepare_cached(&format!("SELECT id, name, job_type FROM batches {rest}"))?;
        let rows = statement.query_map(named, |row| {
            Ok(BatchName {
                id: row.get::<_, Id>(0)?.0,
                name: row.get(1)?,
                job_type: row.get(2)?,
            })
        })?;
        rows.map(|row| Ok(row?)).collect()
    })
}

/// Calls `read` with the end of a query for a list, and what is to be bound to it.
fn listed<T>(
    space: &Space,
    filter: &BatchFilter,
    limit: u32,
    read: impl FnOnce(&str, &[(&str, &dyn ToSql)]) -> Done<T>,
) -> Done<T> {
    let before = filter.before.map(Id);
    let state = filter.state.map(BatchState::as_str);
    // Each list has its own index, so each has its own statement.
    let state_is = if state.is_some() {
        "state = :state"
    } else {
        ":state IS NULL"
    };
    let older = if before.is_some() {
        "id < :before"
    } else {
        ":before IS NULL"
    };
    let rest = format!(
        "WHERE space = :space AND {state_is} AND {older} AND (state <> 'open' OR stays_open) AND deleted_at IS NULL
         ORDER BY id DESC LIMIT :limit"
    );
    read(
        &rest,
        named_params! { ":space": space.as_str(), ":state": state, ":before": before, ":limit": limit },
    )
}

/// These of them, newest first.
pub(super) fn these(db: &Connection, space: &Space, ids: &[BatchId]) -> Done<Vec<Batch>> {
    let mut found = Vec::with_capacity(ids.len());
    for id in ids {
        found.extend(one(db, space, *id)?);
    }
    found.sort_unstable_by_key(|batch| Reverse(batch.id));
    Ok(found)
}

/// What has not ended, by id.
pub(super) fn unfinished(db: &Connection, after: Option<BatchId>, limit: u32) -> Done<Vec<Batch>> {
    let rest = "
        WHERE state IN ('pending', 'processing', 'paused', 'cancelling') AND deleted_at IS NULL AND id > :after
        ORDER BY id LIMIT :limit";
    let after = Id(after.unwrap_or(BatchId::LOWEST));
    select(db, rest, named_params! { ":after": after, ":limit": limit })
}

/// What has ended, in that order.
pub(super) fn finished(db: &Connection, after: (Timestamp, BatchId), limit: u32) -> Done<Vec<Batch>> {
    let rest = "
        WHERE (completed_at, id) > (:since, :after) AND deleted_at IS NULL
        ORDER BY completed_at, id LIMIT :limit";
    let (since, after) = (Micros(after.0), Id(after.1));
    select(
        db,
        rest,
        named_params! { ":since": since, ":after": after, ":limit": limit },
    )
}

fn select(db: &Connection, rest: &str, named: &[(&str, &dyn ToSql)]) -> Done<Vec<Batch>> {
    let now = database_now(db)?;
    let rows = BatchRow::select(db, rest, named)?;
    Ok(rows.into_iter().map(|row| row.into_batch(now)).collect())
}

//! What may be dispatched of a batch, and how much of the ceilings over it is used.

use std::collections::BTreeMap;

use flotilla_core::ids::Space;
use flotilla_core::limits::{Bucket, Ceilings, Scope, ScopeUse, Supply};
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row};

use crate::error::Done;
use crate::keys::{Micros, Number, time};
use crate::rows::{BatchRow, Text};

/// Items that are due are counted up to here: more than one turn of a publisher takes.
const COUNTED: u32 = 1_000;

/// What may be dispatched of `batch`.
pub(crate) fn of(db: &Connection, batch: &BatchRow, now: Timestamp) -> Done<Supply> {
    let record = &batch.record;
    let mut supply = Supply {
        state: record.state,
        start: record.spec.start,
        fresh: record.total - record.next_index,
        due: 0,
        suspects: 0,
        next_due: None,
        in_flight: record.tally.in_flight(record.next_index),
        suspects_in_flight: 0,
        concurrency: record.spec.concurrency,
        canary_left: record.canary_left(),
        rate_per_s: record.spec.rate_per_s,
        bucket: batch.bucket,
    };
    if supply.in_flight > 0 {
        supply.suspects_in_flight = alone(db, batch.number)?;
    }
    if record.tally.retrying + record.tally.returned > 0 {
        let (due, next_due) = due(db, batch.number, "losses = 0", now)?;
        let (suspects, next_suspect) = self::due(db, batch.number, "losses > 0", now)?;
        (supply.due, supply.suspects) = (due, suspects);
        supply.next_due = next_due.into_iter().chain(next_suspect).min();
    }
    Ok(supply)
}

/// How many items are due that `which` tells, and when the next one will be.
fn due(db: &Connection, batch: Number, which: &str, now: Timestamp) -> Done<(u32, Option<Timestamp>)> {
    let now = Micros(now);
    let count = db
        .prepare_cached(&count_due(which))?
        .query_one((batch, now), |row| row.get(0))?;
    let next: Option<Micros> = db
        .prepare_cached(&first_due(which))?
        .query_one((batch, now), |row| row.get(0))?;
    Ok((count, next.map(|Micros(time)| time)))
}

fn count_due(which: &str) -> String {
    format!(
        "SELECT count(*) FROM (
             SELECT 1 FROM item_retries WHERE batch = ?1 AND due_at <= ?2 AND {which} LIMIT {COUNTED})"
    )
}

fn first_due(which: &str) -> String {
    format!("SELECT min(due_at) FROM item_retries WHERE batch = ?1 AND due_at > ?2 AND {which}")
}

/// Items in flight that run alone: next to none.
const ALONE: &str = "
    SELECT count(*) FROM item_retries AS r
    WHERE r.batch = ?1 AND r.due_at IS NULL AND r.losses > 0
      AND NOT EXISTS (SELECT 1 FROM item_leases AS l WHERE l.key = r.key AND l.kind = 'waiting')";

fn alone(db: &Connection, batch: Number) -> Done<u32> {
    Ok(db.prepare_cached(ALONE)?.query_one([batch], |row| row.get(0))?)
}

/// How much of the ceilings is used that batches of these spaces and job types are under.
pub(crate) fn scopes<'a>(
    db: &Connection,
    ceilings: &Ceilings,
    of: impl IntoIterator<Item = (&'a Space, &'a str)>,
) -> Done<BTreeMap<Scope, ScopeUse>> {
    let mut scopes = BTreeMap::new();
    if ceilings.is_empty() {
        return Ok(scopes);
    }
    for (space, job_type) in of {
        for (scope, ceiling) in ceilings.over(space, job_type) {
            if !scopes.contains_key(scope) {
                let bucket = bucket(db, scope)?;
                let used = ScopeUse {
                    scope: scope.clone(),
                    ceiling,
                    in_flight: 0,
                    bucket,
                };
                scopes.insert(scope.clone(), used);
            }
        }
    }
    if !scopes.is_empty() {
        count_in_flight(db, &mut scopes)?;
    }
    Ok(scopes)
}

fn bucket(db: &Connection, scope: &Scope) -> Done<Bucket> {
    let sql = "SELECT tokens, refilled_at FROM dispatch_scopes WHERE scope = ?1";
    let read = |row: &Row<'_>| {
        Ok(Bucket {
            tokens: row.get("tokens")?,
            at: time(row, "refilled_at")?,
        })
    };
    let found = db
        .prepare_cached(sql)?
        .query_row([scope.to_string()], read)
        .optional()?;
    Ok(found.unwrap_or_default())
}

/// Of every batch that was ever dispatched from and has not ended, whatever its state. The planner would rather read all
/// batches in the order of the groups, those that ended long ago among them.
const IN_FLIGHT: &str = "
    SELECT space, job_type,
           sum(next_index - retrying - returned - waiting - succeeded - failed - cancelled) AS in_flight
    FROM batches INDEXED BY batches_active
    JOIN batch_counters ON batch_counters.batch = batches.number
    JOIN batch_dispatch ON batch_dispatch.batch = batches.number
    WHERE state IN ('pending', 'processing', 'paused', 'cancelling') AND started_at IS NOT NULL
    GROUP BY space, job_type";

fn count_in_flight(db: &Connection, scopes: &mut BTreeMap<Scope, ScopeUse>) -> Done<()> {
    let mut statement = db.prepare_cached(IN_FLIGHT)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let Text(space) = row.get::<_, Text<Space>>("space")?;
        let job_type: String = row.get("job_type")?;
        let in_flight: u32 = row.get("in_flight")?;
        for scope in [Scope::Space(space), Scope::JobType(job_type)] {
            if let Some(used) = scopes.get_mut(&scope) {
                used.in_flight = used.in_flight.saturating_add(in_flight);
            }
        }
    }
    Ok(())
}

/// Remembers what was dispatched under ceilings with a rate.
pub(crate) fn save_buckets(db: &Connection, scopes: &BTreeMap<Scope, ScopeUse>) -> Done<()> {
    let sql = "
        INSERT INTO dispatch_scopes (scope, tokens, refilled_at) VALUES (?1, ?2, ?3)
        ON CONFLICT (scope) DO UPDATE SET tokens = excluded.tokens, refilled_at = excluded.refilled_at";
    for used in scopes.values() {
        if let (Some(_), Some(at)) = (used.ceiling.rate_per_s, used.bucket.at) {
            db.prepare_cached(sql)?
                .execute((used.scope.to_string(), used.bucket.tokens, Micros(at)))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plans::plan;

    #[track_caller]
    fn assert_begins_with(sql: &str, index: &str) {
        let steps = plan(sql);
        let tables = steps.iter().find(|step| step.contains("USING"));
        assert!(
            tables.is_some_and(|step| step.contains(index)),
            "{steps:?}: {sql}"
        );
    }

    /// What a publisher asks for all the time costs what is due and what runs, and nothing that has ended.
    #[test]
    fn only_what_is_alive_is_read() {
        for sql in [count_due("losses = 0"), first_due("losses = 0")] {
            assert_begins_with(&sql, "item_retries_due (batch=? AND due_at");
        }
        for sql in [count_due("losses > 0"), first_due("losses > 0")] {
            assert_begins_with(&sql, "item_retries_suspect (batch=? AND due_at");
        }
        assert_begins_with(ALONE, "item_retries_alone");
        assert_begins_with(IN_FLIGHT, "batches_active");
    }
}

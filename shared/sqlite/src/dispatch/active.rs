//! What the publisher chooses from.

use flotilla_core::limits::Ceilings;
use flotilla_core::ports::store::{Active, ActiveBatch};
use jiff::Timestamp;
use rusqlite::{Connection, named_params};

use crate::error::Done;
use crate::keys::Micros;
use crate::rows::BatchRow;
use crate::supply;

/// Those with items in flight, and the first ones of each space and pool among the others that have something left and
/// may dispatch it.
const ACTIVE: &str = "\
    WHERE number IN (
        SELECT number FROM (
            SELECT number, in_flight, may_go,
                   row_number() OVER (
                       PARTITION BY pool, space, in_flight, may_go
                       ORDER BY priority DESC, id
                   ) AS turn
            FROM (
                SELECT number, id, pool, space, priority,
                       next_index > retrying + returned + waiting + succeeded + failed + cancelled AS in_flight,
                       state IN ('pending', 'processing')
                           AND (start_mode = 'auto' OR (start_mode = 'at' AND start_at <= :now))
                           AND (next_index < total OR retrying + returned > 0) AS may_go
                FROM batches
                JOIN batch_counters ON batch_counters.batch = batches.number
                JOIN batch_dispatch ON batch_dispatch.batch = batches.number
                WHERE state IN ('pending', 'processing', 'paused', 'cancelling')
            )
        )
        WHERE in_flight OR (may_go AND turn <= :limit)
    )
    ORDER BY id";

/// Batches that are sealed and not final, oldest first.
pub(super) fn list(db: &Connection, limit: u32, ceilings: &Ceilings, now: Timestamp) -> Done<Active> {
    let named = named_params! { ":limit": limit, ":now": Micros(now) };
    let found = BatchRow::select(db, ACTIVE, named)?;
    let under = found
        .iter()
        .map(|batch| (&batch.record.space, batch.record.spec.job_type.as_str()));
    let scopes = supply::scopes(db, ceilings, under)?;
    let batches: Done<Vec<_>> = found.into_iter().map(|batch| active(db, batch, now)).collect();
    Ok(Active {
        batches: batches?,
        scopes: scopes.into_values().collect(),
        next_start: next_start(db, now)?,
    })
}

fn active(db: &Connection, batch: BatchRow, now: Timestamp) -> Done<ActiveBatch> {
    let supply = supply::of(db, &batch, now)?;
    let record = batch.record;
    Ok(ActiveBatch {
        id: record.id,
        space: record.space,
        job_type: record.spec.job_type,
        pool: record.spec.pool,
        priority: record.spec.priority,
        settled: record.tally.settled(),
        supply,
        max_input_bytes: record.max_input_bytes,
    })
}

fn next_start(db: &Connection, now: Timestamp) -> Done<Option<Timestamp>> {
    let sql = "
        SELECT min(start_at) FROM batches
        WHERE start_mode = 'at' AND state IN ('pending', 'processing') AND start_at > ?1";
    let next: Option<Micros> = db
        .prepare_cached(sql)?
        .query_one([Micros(now)], |row| row.get(0))?;
    Ok(next.map(|Micros(time)| time))
}

//! What the publisher chooses from.

use flotilla_core::batch::BatchState;
use flotilla_core::ports::store::ActiveBatch;
use rusqlite::{Connection, named_params};

use crate::error::Done;
use crate::keys::{Micros, Number, database_now};
use crate::rows::BatchRow;

/// Those with items in flight, and the first ones of each space and pool among those that have something left.
const ACTIVE: &str = "\
    WHERE number IN (
        SELECT number FROM (
            SELECT number, total, next_index, retrying,
                   next_index > retrying + waiting + succeeded + failed + cancelled AS in_flight,
                   row_number() OVER (
                       PARTITION BY pool, space, next_index < total OR retrying > 0
                       ORDER BY priority DESC, id
                   ) AS turn
            FROM batches
            JOIN batch_counters ON batch_counters.batch = batches.number
            JOIN batch_dispatch ON batch_dispatch.batch = batches.number
            WHERE state IN ('pending', 'processing', 'paused', 'cancelling')
        )
        WHERE in_flight OR ((next_index < total OR retrying > 0) AND turn <= :limit)
    )
    ORDER BY id";

/// Batches that are sealed and not final, oldest first.
pub(super) fn list(db: &Connection, limit: u32) -> Done<Vec<ActiveBatch>> {
    let now = Micros(database_now(db)?);
    let batches = BatchRow::select(db, ACTIVE, named_params! { ":limit": limit })?;
    batches.into_iter().map(|batch| active(db, batch, now)).collect()
}

fn active(db: &Connection, batch: BatchRow, now: Micros) -> Done<ActiveBatch> {
    let ready = match batch.state.dispatch() {
        Ok(BatchState::Processing) => {
            let due = if batch.tally.retrying > 0 {
                due(db, batch.number, now)?
            } else {
                0
            };
            (batch.total - batch.next_index + due).min(batch.room())
        }
        _ => 0,
    };
    Ok(ActiveBatch {
        id: batch.id,
        in_flight: batch.tally.in_flight(batch.next_index),
        settled: batch.tally.settled(),
        ready,
        max_input_bytes: batch.max_input_bytes,
        space: batch.space,
        pool: batch.spec.pool,
        priority: batch.spec.priority,
    })
}

fn due(db: &Connection, batch: Number, now: Micros) -> Done<u32> {
    let sql = "SELECT count(*) FROM item_retries WHERE batch = ?1 AND due_at <= ?2";
    Ok(db
        .prepare_cached(sql)?
        .query_one((batch, now), |row| row.get(0))?)
}

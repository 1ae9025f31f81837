//! What can be dispatched, and what is in flight.

use flotilla_core::ports::store::ActiveBatch;
use flotilla_core::{BatchState, Result};
use tokio_postgres::Row;

use crate::error::Failure;
use crate::rows::{batch_id, count, counters, get, parsed};
use crate::session::{Client, Operation};

const ACTIVE: &str = "\
    SELECT * FROM (
        SELECT b.id, b.space, b.pool, b.priority, b.state, b.total, b.concurrency, b.max_input_bytes, d.next_index,
               c.version, c.retrying, c.waiting, c.succeeded, c.failed, c.cancelled,
               d.next_index > c.retrying + c.waiting + c.succeeded + c.failed + c.cancelled AS in_flight,
               -- The turn among those of its space and pool that have something left to dispatch.
               row_number() OVER (
                   PARTITION BY b.pool, b.space, d.next_index < b.total OR c.retrying > 0
                   ORDER BY b.priority DESC, b.id
               ) AS turn
        FROM batches b
        JOIN batch_counters c ON c.batch_id = b.id
        JOIN batch_dispatch d ON d.batch_id = b.id
        WHERE b.state IN ('pending', 'processing', 'paused', 'cancelling')
    ) AS active
    WHERE in_flight OR ((next_index < total OR retrying > 0) AND turn <= $1)
    ORDER BY id";

pub(super) struct Active {
    pub(super) limit: u32,
}

impl Operation for Active {
    type Output = Vec<ActiveBatch>;
    const ATTEMPT: &'static str = "list active batches";

    async fn run(&self, client: &mut Client) -> Result<Vec<ActiveBatch>, Failure> {
        let statement = client.prepare_cached(ACTIVE).await?;
        let rows = client.query(&statement, &[&i64::from(self.limit)]).await?;
        rows.iter().map(active_batch).collect()
    }
}

fn active_batch(row: &Row) -> Result<ActiveBatch, Failure> {
    let (tally, next_index) = (counters(row)?, count(row, "next_index")?);
    let in_flight = tally.in_flight(next_index);
    let state: BatchState = parsed(row, "state")?;
    let concurrency: Option<i64> = get(row, "concurrency")?;
    let room = concurrency
        .map_or(i64::MAX, |most| most - i64::from(in_flight))
        .max(0);
    // Everything that waits for another dispatch is due: nothing schedules one for later.
    let there = count(row, "total")?.saturating_sub(next_index) + tally.retrying;
    Ok(ActiveBatch {
        id: batch_id(row, "id")?,
        space: parsed(row, "space")?,
        pool: parsed(row, "pool")?,
        priority: get(row, "priority")?,
        in_flight,
        settled: tally.settled(),
        ready: match state.dispatch() {
            Ok(_) => there.min(u32::try_from(room).unwrap_or(u32::MAX)),
            Err(_) => 0,
        },
        max_input_bytes: count(row, "max_input_bytes")?,
    })
}

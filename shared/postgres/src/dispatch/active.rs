//! What can be dispatched, and what is in flight.

use std::collections::{BTreeMap, BTreeSet};

use flotilla_core::Result;
use flotilla_core::limits::{Ceilings, Scope, ScopeUse};
use flotilla_core::ports::store::{Active, ActiveBatch};
use futures_util::future::try_join;
use jiff::Timestamp;
use tokio_postgres::Row;

use super::scopes;
use super::supply::{ONE_TURN, due_columns, supply, supply_columns};
use crate::error::Failure;
use crate::rows::{batch_id, count, counters, get, parsed};
use crate::session::{Client, Operation};

/// Whose turn it is, and what may be dispatched of those. `$1`: now, `$2`: due items are counted up to this, `$3`: so many
/// that have nothing in flight, of each space in each pool.
const ACTIVE: &str = concat!(
    "SELECT listed.*, ",
    due_columns!("listed"),
    " FROM (
         SELECT *, row_number() OVER (
             PARTITION BY pool, space, has_in_flight, has_left ORDER BY goes_now DESC, priority DESC, id
         ) AS turn
         FROM (
             SELECT b.pool, b.priority, b.max_input_bytes, ",
    supply_columns!(),
    ",
                    d.next_index > c.retrying + c.returned + c.waiting + c.succeeded + c.failed + c.cancelled
                        AS has_in_flight,
                    b.state IN ('pending', 'processing')
                        AND (b.start_mode = 'auto' OR b.start_mode = 'at' AND b.start_at <= $1)
                        AND (d.next_index < b.total OR c.retrying + c.returned > 0) AS has_left,
                    -- What is due later hides nothing that can go now.
                    d.next_index < b.total OR c.returned > 0 OR c.retrying > 0 AND (
                        SELECT true FROM item_retries r WHERE r.batch_id = b.id AND r.due_at <= $1 LIMIT 1
                    ) IS NOT NULL AS goes_now
             FROM batches b
             JOIN batch_counters c ON c.batch_id = b.id
             JOIN batch_dispatch d ON d.batch_id = b.id
             WHERE b.state IN ('pending', 'processing', 'paused', 'cancelling')
         ) AS active
     ) AS listed
     WHERE has_in_flight OR (has_left AND turn <= $3)
     ORDER BY id"
);

const NEXT_START: &str = "\
    SELECT min(start_at) AS next_start FROM batches
    WHERE start_mode = 'at' AND state IN ('pending', 'processing') AND start_at > $1";

pub(super) struct ListActive<'a> {
    pub(super) limit: u32,
    pub(super) ceilings: &'a Ceilings,
    pub(super) now: Timestamp,
}

impl Operation for ListActive<'_> {
    type Output = Active;
    const ATTEMPT: &'static str = "list active batches";

    async fn run(&self, client: &mut Client) -> Result<Active, Failure> {
        let active = client.prepare_cached(ACTIVE).await?;
        let next_start = client.prepare_cached(NEXT_START).await?;
        let (rows, next_start) = try_join(
            client.query(&active, &[&self.now, &ONE_TURN, &i64::from(self.limit)]),
            client.query_one(&next_start, &[&self.now]),
        )
        .await?;
        let batches = rows
            .iter()
            .map(active_batch)
            .collect::<Result<Vec<_>, Failure>>()?;
        let scopes = self.scopes(client, &batches).await?;
        Ok(Active {
            batches,
            scopes: scopes.into_values().collect(),
            next_start: get(&next_start, "next_start")?,
        })
    }
}

impl ListActive<'_> {
    /// Everything in flight is listed, so what is in flight under a ceiling is the sum of that.
    async fn scopes(
        &self,
        client: &Client,
        batches: &[ActiveBatch],
    ) -> Result<BTreeMap<Scope, ScopeUse>, Failure> {
        if self.ceilings.is_empty() {
            return Ok(BTreeMap::new());
        }
        let over = |batch: &ActiveBatch| -> Vec<Scope> {
            let over = self.ceilings.over(&batch.space, &batch.job_type);
            over.map(|(scope, _)| scope.clone()).collect()
        };
        let named: BTreeSet<Scope> = batches.iter().flat_map(over).collect();
        let named: Vec<Scope> = named.into_iter().collect();
        let statement = client.prepare_cached(scopes::BUCKETS).await?;
        let mut scopes = scopes::buckets(&**client, &statement, self.ceilings, &named).await?;
        for batch in batches {
            for scope in over(batch) {
                if let Some(used) = scopes.get_mut(&scope) {
                    used.in_flight = used.in_flight.saturating_add(batch.supply.in_flight);
                }
            }
        }
        Ok(scopes)
    }
}

fn active_batch(row: &Row) -> Result<ActiveBatch, Failure> {
    Ok(ActiveBatch {
        id: batch_id(row, "id")?,
        space: parsed(row, "space")?,
        job_type: get(row, "job_type")?,
        pool: parsed(row, "pool")?,
        priority: get(row, "priority")?,
        settled: counters(row)?.settled(),
        supply: supply(row)?,
        max_input_bytes: count(row, "max_input_bytes")?,
    })
}

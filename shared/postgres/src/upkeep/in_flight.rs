//! What messages stand for.

use flotilla_core::Result;
use flotilla_core::ports::store::{InFlight, Known, Sent};
use tokio_postgres::Row;
use uuid::Uuid;

use crate::error::Failure;
use crate::rows::{batch_id, count, get, integer, parsed, unsigned};
use crate::session::{Client, Operation};

const IN_FLIGHT: &str = include_str!("in_flight.sql");

pub(super) struct ListInFlight<'a> {
    pub(super) known: &'a [Known],
    pub(super) limit: u32,
}

impl Operation for ListInFlight<'_> {
    type Output = Vec<InFlight>;
    const ATTEMPT: &'static str = "list what is in flight";

    async fn run(&self, client: &mut Client) -> Result<Vec<InFlight>, Failure> {
        let batches: Vec<Uuid> = self.known.iter().map(|known| known.batch.0).collect();
        let seen: Vec<i32> = self.known.iter().map(|known| integer(known.seen)).collect();
        let (mut of, mut indices) = (Vec::<Uuid>::new(), Vec::<i32>::new());
        for known in self.known {
            of.extend(known.items.iter().map(|_| known.batch.0));
            indices.extend(known.items.iter().map(|&index| integer(index)));
        }
        let statement = client.prepare_cached(IN_FLIGHT).await?;
        let limit = i64::from(self.limit);
        let rows = client
            .query(&statement, &[&batches, &seen, &of, &indices, &limit])
            .await?;
        let mut all: Vec<InFlight> = Vec::new();
        for row in &rows {
            let batch = batch_id(row, "batch_id")?;
            if all.last().is_none_or(|last| last.batch != batch) {
                all.push(InFlight {
                    batch,
                    pool: parsed(row, "pool")?,
                    seen: count(row, "upto")?,
                    items: Vec::new(),
                });
            }
            if let (Some(sent), Some(of_batch)) = (sent(row)?, all.last_mut()) {
                of_batch.items.push(sent);
            }
        }
        Ok(all)
    }
}

/// None where there is nothing in flight of the batch.
fn sent(row: &Row) -> Result<Option<Sent>, Failure> {
    let Some(index) = get::<Option<i32>>(row, "index")? else {
        return Ok(None);
    };
    Ok(Some(Sent {
        index: unsigned("index", index)?,
        attempt: unsigned("attempt", get::<i32>(row, "attempt")?)?,
        resends: unsigned("resends", get::<i32>(row, "resends")?)?,
        first: get(row, "first")?,
        isolated: get(row, "isolated")?,
        claimed: get(row, "claimed")?,
    }))
}

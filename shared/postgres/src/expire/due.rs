//! What is to be removed.

use flotilla_core::Result;
use flotilla_core::ports::store::Expiry;
use jiff::Timestamp;
use tokio_postgres::Row;

use crate::error::Failure;
use crate::rows::{batch_id, get, parsed};
use crate::session::{Client, Operation};

const DUE: &str = "\
    SELECT e.batch_id, e.part, e.due_at, b.space
    FROM batch_expiries e
    JOIN batches b ON b.id = e.batch_id
    WHERE e.due_at <= $1
    ORDER BY e.due_at
    LIMIT $2";

pub(super) struct Due {
    pub(super) limit: u32,
    pub(super) now: Timestamp,
}

impl Operation for Due {
    type Output = Vec<Expiry>;
    const ATTEMPT: &'static str = "look for what is to be removed";

    async fn run(&self, client: &mut Client) -> Result<Vec<Expiry>, Failure> {
        let statement = client.prepare_cached(DUE).await?;
        let rows = client
            .query(&statement, &[&self.now, &i64::from(self.limit)])
            .await?;
        rows.iter().map(expiry).collect()
    }
}

fn expiry(row: &Row) -> Result<Expiry, Failure> {
    Ok(Expiry {
        batch: batch_id(row, "batch_id")?,
        space: parsed(row, "space")?,
        part: parsed(row, "part")?,
        due_at: get(row, "due_at")?,
    })
}

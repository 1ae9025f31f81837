//! What was done to a batch.

use flotilla_core::command::{Actor, BatchEvent};
use flotilla_core::{BatchId, Result, Space};
use tokio_postgres::Row;

use crate::error::Failure;
use crate::rows::{corrupt, get};
use crate::session::{Client, Operation};

/// The latest ones, oldest first.
const HISTORY: &str = "\
    SELECT * FROM (
        SELECT e.id, e.at, e.actor, e.action, e.detail
        FROM batch_events e
        WHERE e.batch_id = $1
          AND EXISTS (SELECT FROM batches WHERE id = $1 AND space = $2 AND deleted_at IS NULL)
        ORDER BY e.id DESC
        LIMIT 1000
    ) AS latest
    ORDER BY id";

pub(super) struct History<'a> {
    pub(super) space: &'a Space,
    pub(super) batch: BatchId,
}

impl Operation for History<'_> {
    type Output = Vec<BatchEvent>;
    const ATTEMPT: &'static str = "read the history of a batch";

    async fn run(&self, client: &mut Client) -> Result<Vec<BatchEvent>, Failure> {
        let statement = client.prepare_cached(HISTORY).await?;
        let rows = client
            .query(&statement, &[&self.batch.0, &self.space.as_str()])
            .await?;
        rows.iter().map(event).collect()
    }
}

fn event(row: &Row) -> Result<BatchEvent, Failure> {
    Ok(BatchEvent {
        at: get(row, "at")?,
        by: actor(get(row, "actor")?)?,
        action: get(row, "action")?,
        detail: get(row, "detail")?,
    })
}

fn actor(name: &str) -> Result<Actor, Failure> {
    if name == Actor::SYSTEM {
        return Ok(Actor::system());
    }
    name.parse().map_err(|error| corrupt("actor", error))
}

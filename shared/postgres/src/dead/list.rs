//! Dead letters, page by page.

use flotilla_core::Result;
use flotilla_core::dead_letter::DeadLetter;
use tokio_postgres::Row;

use super::chosen::{Chosen, chosen};
use crate::error::Failure;
use crate::rows::{batch_id, corrupt, count, error, get, json, parsed, unsigned, worker};
use crate::session::{Client, Operation, Plans};

/// A page first, then what belongs to each of it: LIMIT makes that a look-up by key.
const LIST: &str = concat!(
    "WITH page AS MATERIALIZED (
         SELECT l.* FROM dead_letters l WHERE ",
    chosen!(),
    " ORDER BY l.batch_id DESC, l.index LIMIT $8
     )
     SELECT page.*, i.custom_id, i.input
     FROM page
     CROSS JOIN LATERAL (
         SELECT custom_id, input FROM batch_items WHERE batch_id = page.batch_id AND index = page.index LIMIT 1
     ) AS i
     ORDER BY page.batch_id DESC, page.index"
);

pub(super) struct List {
    pub(super) chosen: Chosen,
}

impl Operation for List {
    type Output = Vec<DeadLetter>;
    const ATTEMPT: &'static str = "list dead letters";
    const PLANS: Plans = Plans::Fresh;

    async fn run(&self, client: &mut Client) -> Result<Vec<DeadLetter>, Failure> {
        let statement = client.prepare_cached(LIST).await?;
        let rows = client.query(&statement, &self.chosen.parameters()).await?;
        rows.iter().map(dead_letter).collect()
    }
}

fn dead_letter(row: &Row) -> Result<DeadLetter, Failure> {
    Ok(DeadLetter {
        batch: batch_id(row, "batch_id")?,
        index: count(row, "index")?,
        space: parsed(row, "space")?,
        job_type: get(row, "job_type")?,
        custom_id: get(row, "custom_id")?,
        input: json("input", get(row, "input")?)?,
        error: error(row)?.ok_or_else(|| corrupt("error_kind", "it is missing"))?,
        fingerprint: get(row, "fingerprint")?,
        attempts: unsigned("attempts", get::<i32>(row, "attempts")?)?,
        worker: worker(row)?,
        started_at: get(row, "started_at")?,
        dead_at: get(row, "dead_at")?,
    })
}

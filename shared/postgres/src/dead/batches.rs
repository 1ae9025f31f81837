//! Batches that dead letters are of.

use flotilla_core::{BatchId, Result};

use super::chosen::{Chosen, chosen};
use crate::error::Failure;
use crate::rows::{batch_id, get, unsigned};
use crate::session::{Client, Operation, Plans};

const BATCHES: &str = concat!(
    "SELECT l.batch_id, count(*) AS items FROM dead_letters l WHERE ",
    chosen!(),
    " GROUP BY l.batch_id ORDER BY l.batch_id DESC LIMIT $8"
);

pub(super) struct Batches {
    pub(super) chosen: Chosen,
}

impl Operation for Batches {
    type Output = Vec<(BatchId, u32)>;
    const ATTEMPT: &'static str = "list batches with dead letters";
    const PLANS: Plans = Plans::Fresh;

    async fn run(&self, client: &mut Client) -> Result<Self::Output, Failure> {
        let statement = client.prepare_cached(BATCHES).await?;
        let rows = client.query(&statement, &self.chosen.parameters()).await?;
        rows.iter()
            .map(|row| {
                let items = unsigned("items", get::<i64>(row, "items")?)?;
                Ok((batch_id(row, "batch_id")?, items))
            })
            .collect()
    }
}

//! Forgets dead letters.

use flotilla_core::Result;

use super::chosen::{Chosen, chosen};
use crate::error::Failure;
use crate::rows::unsigned;
use crate::session::{Client, Operation, Plans};

/// In one order, so that two who do this don't wait for each other.
const DISCARD: &str = concat!(
    "WITH doomed AS (
         SELECT l.batch_id, l.index FROM dead_letters l WHERE ",
    chosen!(),
    " ORDER BY l.batch_id DESC, l.index LIMIT $8 FOR UPDATE OF l
     )
     DELETE FROM dead_letters d USING doomed WHERE d.batch_id = doomed.batch_id AND d.index = doomed.index"
);

pub(super) struct Discard {
    pub(super) chosen: Chosen,
}

impl Operation for Discard {
    type Output = u32;
    const ATTEMPT: &'static str = "discard dead letters";
    const PLANS: Plans = Plans::Fresh;

    async fn run(&self, client: &mut Client) -> Result<u32, Failure> {
        let statement = client.prepare_cached(DISCARD).await?;
        let discarded = client.execute(&statement, &self.chosen.parameters()).await?;
        unsigned("index", discarded)
    }
}

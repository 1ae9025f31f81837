//! Dead letters by error.

use flotilla_core::Result;
use flotilla_core::dead_letter::DeadGroup;
use tokio_postgres::Row;

use super::chosen::{Chosen, chosen};
use crate::error::Failure;
use crate::rows::{get, unsigned};
use crate::session::{Client, Operation, Plans};

/// The latest message is found by the greatest of arrays, which begin with the time in a form that sorts: nothing has to
/// be kept or sorted for it.
const GROUPS: &str = concat!(
    "SELECT l.fingerprint, count(*) AS items, count(DISTINCT l.batch_id) AS batches,
            min(l.dead_at) AS first_at, max(l.dead_at) AS last_at,
            (max(ARRAY[
                to_char(l.dead_at AT TIME ZONE 'UTC', 'YYYYMMDDHH24MISSUS') || l.batch_id || lpad(l.index::text, 10, '0'),
                l.error_message
            ] COLLATE \"C\"))[2] AS sample
     FROM dead_letters l
     WHERE ",
    chosen!(),
    " GROUP BY l.fingerprint
     ORDER BY items DESC, l.fingerprint
     LIMIT $8"
);

pub(super) struct Groups {
    pub(super) chosen: Chosen,
}

impl Operation for Groups {
    type Output = Vec<DeadGroup>;
    const ATTEMPT: &'static str = "group dead letters";
    const PLANS: Plans = Plans::Fresh;

    async fn run(&self, client: &mut Client) -> Result<Vec<DeadGroup>, Failure> {
        let statement = client.prepare_cached(GROUPS).await?;
        let rows = client.query(&statement, &self.chosen.parameters()).await?;
        rows.iter().map(group).collect()
    }
}

fn group(row: &Row) -> Result<DeadGroup, Failure> {
    Ok(DeadGroup {
        fingerprint: get(row, "fingerprint")?,
        count: unsigned("items", get::<i64>(row, "items")?)?,
        batches: unsigned("batches", get::<i64>(row, "batches")?)?,
        sample: get(row, "sample")?,
        first_at: get(row, "first_at")?,
        last_at: get(row, "last_at")?,
    })
}

//! Takes over what a dead publisher left.

use flotilla_core::Result;
use flotilla_core::ports::store::Claim;
use jiff::Timestamp;

use super::held::{self, Held};
use crate::error::Failure;
use crate::session::{Client, Operation};

/// One statement, so one transaction: whoever gets a claim has it for a lease of its own.
const TAKE_OVER: &str = "\
    WITH expired AS (
        SELECT id FROM dispatch_claims
        WHERE lease_until <= $1
        ORDER BY lease_until, id
        LIMIT $2
        FOR UPDATE SKIP LOCKED
    )
    UPDATE dispatch_claims c SET lease_until = $3
    FROM expired
    WHERE c.id = expired.id
    RETURNING c.id, c.batch_id, c.first_index, c.end_index, c.indices, c.attempts";

pub(super) struct TakeOver {
    pub(super) lease_until: Timestamp,
    pub(super) limit: u32,
    pub(super) now: Timestamp,
}

impl Operation for TakeOver {
    type Output = Vec<Claim>;
    const ATTEMPT: &'static str = "take over claims";

    async fn run(&self, client: &mut Client) -> Result<Vec<Claim>, Failure> {
        let statement = client.prepare_cached(TAKE_OVER).await?;
        loop {
            let parameters: [&(dyn tokio_postgres::types::ToSql + Sync); 3] =
                [&self.now, &i64::from(self.limit), &self.lease_until];
            let rows = client.query(&statement, &parameters).await?;
            let held: Vec<Held> = rows.iter().map(Held::read_old).collect::<Result<_, _>>()?;
            let found = !held.is_empty();
            let claims = held::load_left(client, held).await?;
            // Claims of which nothing was left are gone now, and must not hide those behind them.
            if !claims.is_empty() || !found {
                return Ok(claims);
            }
        }
    }
}

//! What may be dispatched of one batch.

use flotilla_core::limits::{Ceilings, Scope, ScopeUse, Supply};
use flotilla_core::{BatchId, Result, Space};
use jiff::Timestamp;

use crate::dispatch::scopes;
use crate::dispatch::supply::{self, select_supply};
use crate::error::Failure;
use crate::rows::parsed;
use crate::session::{Client, Operation};

const SUPPLY: &str = select_supply!("WHERE b.id = $3 AND b.space = $4 AND b.deleted_at IS NULL");

pub(super) struct SupplyOf<'a> {
    pub(super) space: &'a Space,
    pub(super) batch: BatchId,
    pub(super) ceilings: &'a Ceilings,
    pub(super) now: Timestamp,
}

impl Operation for SupplyOf<'_> {
    type Output = Option<(Supply, Vec<ScopeUse>)>;
    const ATTEMPT: &'static str = "look what may be dispatched";

    async fn run(&self, client: &mut Client) -> Result<Self::Output, Failure> {
        let statement = client.prepare_cached(SUPPLY).await?;
        let row = client
            .query_opt(
                &statement,
                &[&self.now, &supply::ONE_TURN, &self.batch.0, &self.space.as_str()],
            )
            .await?;
        let Some(row) = row else {
            return Ok(None);
        };
        let job_type: String = parsed(&row, "job_type")?;
        let over: Vec<Scope> = self
            .ceilings
            .over(self.space, &job_type)
            .map(|(scope, _)| scope.clone())
            .collect();
        let statement = client.prepare_cached(scopes::USED).await?;
        let scopes = scopes::used(&**client, &statement, self.ceilings, &over).await?;
        Ok(Some((supply::supply(&row)?, scopes.into_values().collect())))
    }
}

//! Ends claims.

use flotilla_core::Result;
use flotilla_core::ports::store::ClaimId;

use crate::error::Failure;
use crate::session::{Client, Operation};

const DELETE: &str = "DELETE FROM dispatch_claims WHERE id = ANY($1)";

pub(super) struct Published {
    claims: Vec<i64>,
}

impl Published {
    pub(super) fn new(claims: &[ClaimId]) -> Self {
        Self {
            claims: claims.iter().map(|claim| claim.0).collect(),
        }
    }
}

impl Operation for Published {
    type Output = ();
    const ATTEMPT: &'static str = "mark claims published";

    async fn run(&self, client: &mut Client) -> Result<(), Failure> {
        let statement = client.prepare_cached(DELETE).await?;
        client.execute(&statement, &[&self.claims]).await?;
        Ok(())
    }
}

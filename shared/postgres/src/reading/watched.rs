//! Batches of every space that services watch over.

use flotilla_core::Result;
use flotilla_core::batch::Batch;
use futures_util::future::try_join;
use jiff::Timestamp;

use crate::error::Failure;
use crate::rows::{batches, select_batches};
use crate::session::{Client, Operation};

const ACTIVE: &str = select_batches!(
    "WHERE b.state IN ('pending', 'processing', 'paused', 'cancelling') AND b.deleted_at IS NULL ORDER BY b.id LIMIT $1"
);
const ENDED: &str = select_batches!(
    "WHERE b.completed_at >= $2 AND b.deleted_at IS NULL ORDER BY b.completed_at, b.id LIMIT $1"
);

pub(super) struct Watched {
    pub(super) ended_since: Timestamp,
    pub(super) limit: u32,
}

impl Operation for Watched {
    type Output = Vec<Batch>;
    const ATTEMPT: &'static str = "list watched batches";

    /// A batch that ends in between is in both answers, and one that has not ended is in the first: none is missed.
    async fn run(&self, client: &mut Client) -> Result<Vec<Batch>, Failure> {
        let active = client.prepare_cached(ACTIVE).await?;
        let ended = client.prepare_cached(ENDED).await?;
        let limit = i64::from(self.limit);
        let (active, ended) = try_join(
            client.query(&active, &[&limit]),
            client.query(&ended, &[&limit, &self.ended_since]),
        )
        .await?;
        let mut watched = batches(&active)?;
        watched.extend(batches(&ended)?);
        watched.truncate(self.limit as usize);
        Ok(watched)
    }
}

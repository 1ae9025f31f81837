//! Where one item is.

use flotilla_core::ids::MAX_ITEMS;
use flotilla_core::place::{Lease, Place};
use flotilla_core::{BatchId, ItemIndex, Result};
use futures_util::future::try_join;

use super::places::{self, Known};
use crate::error::Failure;
use crate::rows::{integer, record, select_batches};
use crate::session::{Client, Operation};

const BATCH: &str = select_batches!("WHERE b.id = $1");

pub(super) struct PlaceOf {
    pub(super) batch: BatchId,
    pub(super) index: ItemIndex,
}

impl Operation for PlaceOf {
    type Output = Option<(Place, Option<Lease>)>;
    const ATTEMPT: &'static str = "look for an item";

    async fn run(&self, client: &mut Client) -> Result<Self::Output, Failure> {
        if self.index >= MAX_ITEMS {
            return Ok(None);
        }
        // Both statements see the same moment: an item is never between two places.
        let transaction = client.build_transaction().read_only(true);
        let transaction = transaction
            .isolation_level(tokio_postgres::IsolationLevel::RepeatableRead)
            .start()
            .await?;
        let batch = transaction.prepare_cached(BATCH).await?;
        let item = transaction.prepare_cached(places::SELECT).await?;
        let (batch, item) = try_join(
            transaction.query_opt(&batch, &[&self.batch.0]),
            transaction.query_opt(&item, &[&vec![self.batch.0], &vec![integer(self.index)]]),
        )
        .await?;
        let Some(batch) = batch else {
            return Ok(None);
        };
        let known = item.as_ref().map(Known::read).transpose()?;
        let place = places::place(&record(&batch)?, self.index, known.as_ref());
        transaction.commit().await?;
        Ok(place.map(|place| (place, known.as_ref().and_then(Known::lease).cloned())))
    }
}

//! Cancels what is left of a batch that is being cancelled.

use deadpool_postgres::Transaction;
use flotilla_core::batch::Batch;
use flotilla_core::place::{Place, Whereabouts};
use flotilla_core::record::BatchRecord;
use flotilla_core::{BatchId, BatchState, ItemIndex, Result};
use futures_util::future::try_join4;
use jiff::Timestamp;
use tokio_postgres::Row;

use crate::error::Failure;
use crate::ledger::places::{self, Known};
use crate::lock;
use crate::rows::{count, integer, record};
use crate::session::{Client, Operation};
use crate::writes::{self, Change, Kept};

/// Items that are due, or wait. `$1`: batch, `$2`: so many.
const IDLE: &str = include_str!("sweep/idle.sql");
/// Items that are in flight.
const IN_FLIGHT: &str = include_str!("sweep/in_flight.sql");
const INSERT: &str = include_str!("sweep/insert.sql");
const DELETE_RETRIES: &str = "DELETE FROM item_retries WHERE batch_id = $1 AND index = ANY($2)";
const DELETE_LEASES: &str = "DELETE FROM item_leases WHERE batch_id = $1 AND index = ANY($2)";
const MOVE: &str = "UPDATE batch_dispatch SET next_index = $2 WHERE batch_id = $1 AND next_index <> $2";

pub(super) struct Sweep {
    pub(super) batch: BatchId,
    pub(super) limit: u32,
    pub(super) grace_since: Timestamp,
    pub(super) now: Timestamp,
}

impl Operation for Sweep {
    type Output = Option<(Batch, u32)>;
    const ATTEMPT: &'static str = "cancel items";

    async fn run(&self, client: &mut Client) -> Result<Self::Output, Failure> {
        let transaction = client.transaction().await?;
        let Some(row) = lock::whole(&transaction, self.batch).await? else {
            return Ok(None);
        };
        let mut batch = record(&row)?;
        if batch.state != BatchState::Cancelling {
            return Ok(None);
        }
        let swept = self.choose(&transaction, &batch).await?;
        let before = Kept::of(&batch);
        let many = u32::try_from(swept.len()).unwrap_or(u32::MAX);
        let writes = batch.sweep(
            swept.iter().map(|(_, place)| (place.at, place.attempts())),
            self.now,
        );
        self.store(&transaction, &swept, batch.next_index).await?;
        let change = Change {
            before,
            record: batch,
            writes,
            ended_retries: Vec::new(),
        };
        writes::store(&transaction, std::slice::from_ref(&change), self.now).await?;
        transaction.commit().await?;
        Ok(Some((change.record.seen_at(self.now), many)))
    }
}

/// An item that is cancelled, and where it was.
type Swept = (ItemIndex, Place);

impl Sweep {
    /// What is not in flight first; what is, after its time to stop by itself.
    async fn choose(
        &self,
        transaction: &Transaction<'_>,
        batch: &BatchRecord,
    ) -> Result<Vec<Swept>, Failure> {
        let limit = usize::try_from(self.limit).unwrap_or(usize::MAX);
        let mut swept = Vec::new();
        let tally = &batch.tally;
        if tally.retrying + tally.returned + tally.waiting > 0 {
            swept.extend(self.find(transaction, IDLE, batch, self.limit).await?);
        }
        let pending = (batch.next_index..batch.total).take(limit.saturating_sub(swept.len()));
        swept.extend(pending.filter_map(|index| Some((index, places::place(batch, index, None)?))));
        let room = self
            .limit
            .saturating_sub(u32::try_from(swept.len()).unwrap_or(u32::MAX));
        let out_of_grace = batch
            .halted_at
            .is_none_or(|halted_at| halted_at < self.grace_since);
        if room > 0 && out_of_grace && tally.in_flight(batch.next_index) > 0 {
            swept.extend(self.find(transaction, IN_FLIGHT, batch, room).await?);
        }
        Ok(swept)
    }

    async fn find(
        &self,
        transaction: &Transaction<'_>,
        statement: &'static str,
        batch: &BatchRecord,
        most: u32,
    ) -> Result<Vec<Swept>, Failure> {
        let statement = transaction.prepare_cached(statement).await?;
        let rows = transaction
            .query(&statement, &[&self.batch.0, &i64::from(most)])
            .await?;
        let place = |row: &Row| {
            let index = count(row, "index")?;
            let place = places::place(batch, index, Some(&Known::read(row)?));
            Ok(place.map(|place| (index, place)))
        };
        rows.iter().filter_map(|row| place(row).transpose()).collect()
    }

    /// Nobody ran these outcomes, and nothing else is known of their items from then on.
    async fn store(
        &self,
        transaction: &Transaction<'_>,
        swept: &[Swept],
        next_index: ItemIndex,
    ) -> Result<(), Failure> {
        if swept.is_empty() {
            return Ok(());
        }
        let indexes: Vec<i32> = swept.iter().map(|(index, _)| integer(*index)).collect();
        let attempts: Vec<i32> = swept.iter().map(|(_, place)| place.attempts().into()).collect();
        let of = |which: fn(Whereabouts) -> bool| -> Vec<i32> {
            let such = swept.iter().filter(|(_, place)| which(place.at));
            such.map(|(index, _)| integer(*index)).collect()
        };
        // Of one that was never dispatched there is nothing to remove.
        let dispatched = of(|at| at != Whereabouts::Pending);
        let leased = of(Whereabouts::is_leased);
        let insert = transaction.prepare_cached(INSERT).await?;
        let retries = transaction.prepare_cached(DELETE_RETRIES).await?;
        let leases = transaction.prepare_cached(DELETE_LEASES).await?;
        let advance = transaction.prepare_cached(MOVE).await?;
        let (inserted, ..) = try_join4(
            transaction.execute(&insert, &[&self.batch.0, &indexes, &attempts, &self.now]),
            transaction.execute(&retries, &[&self.batch.0, &dispatched]),
            transaction.execute(&leases, &[&self.batch.0, &leased]),
            transaction.execute(&advance, &[&self.batch.0, &integer(next_index)]),
        )
        .await?;
        if inserted == swept.len() as u64 {
            Ok(())
        } else {
            Err(Failure::Raced)
        }
    }
}

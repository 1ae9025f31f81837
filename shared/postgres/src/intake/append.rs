//! Appends a chunk of items.

use std::pin::pin;

use bytes::Bytes;
use deadpool_postgres::Transaction;
use flotilla_core::ids::MAX_ITEMS;
use flotilla_core::item::NewItem;
use flotilla_core::ports::store::Appended;
use flotilla_core::{BatchId, ItemIndex, Result};
use futures_util::SinkExt;

use super::{copy, names};
use crate::error::Failure;
use crate::rows::{bigint, count, get, integer};
use crate::session::{Client, Operation};

/// The guard: from here to the end of the transaction nobody else appends, seals or discards. A batch that stays open
/// takes items from whoever was let in.
const GROW: &str = "\
    UPDATE batches
    SET total = total + $3, max_input_bytes = greatest(max_input_bytes, $4), input_bytes = input_bytes + $5,
        last_append_at = greatest(last_append_at, now())
    WHERE id = $1 AND state = 'open' AND total = $2 AND (NOT stays_open OR append_ms IS NOT NULL)";

const STATE: &str =
    "SELECT state, total, stays_open AND append_ms IS NULL AS closed FROM batches WHERE id = $1";

pub(super) struct Append {
    pub(super) batch: BatchId,
    pub(super) first: ItemIndex,
    pub(super) items: Vec<NewItem>,
}

impl Operation for Append {
    type Output = Appended;
    const ATTEMPT: &'static str = "append items";

    async fn run(&self, client: &mut Client) -> Result<Appended, Failure> {
        let many = self.count_items()?;
        let transaction = client.transaction().await?;
        if !self.grow(&transaction, many).await? {
            return Err(self.refusal(&transaction).await?);
        }
        let namesakes = names::take(&transaction, self.batch, self.first, &self.items).await?;
        if !namesakes.is_empty() {
            return Ok(Appended::Named(namesakes));
        }
        if many > 0 {
            self.copy(&transaction).await?;
        }
        transaction.commit().await?;
        Ok(Appended::All)
    }
}

impl Append {
    pub(super) fn count_items(&self) -> Result<i32, Failure> {
        let room = MAX_ITEMS.saturating_sub(self.first);
        match u32::try_from(self.items.len()) {
            Ok(many) if many <= room => Ok(integer(many)),
            _ => Err(Failure::Conflict(format!(
                "a batch holds at most {MAX_ITEMS} items"
            ))),
        }
    }

    /// The length of the longest input.
    pub(super) fn longest(&self) -> i32 {
        let lengths = self.items.iter().map(|item| item.input.len());
        i32::try_from(lengths.max().unwrap_or(0)).unwrap_or(i32::MAX)
    }

    /// The length of all inputs.
    pub(super) fn bytes(&self) -> usize {
        self.items.iter().map(|item| item.input.len()).sum()
    }

    pub(super) async fn grow(&self, transaction: &Transaction<'_>, many: i32) -> Result<bool, Failure> {
        let longest = self.longest();
        let bytes = bigint(self.bytes());
        let statement = transaction.prepare_cached(GROW).await?;
        let rows = transaction
            .execute(
                &statement,
                &[&self.batch.0, &integer(self.first), &many, &longest, &bytes],
            )
            .await?;
        Ok(rows == 1)
    }

    pub(super) async fn copy(&self, transaction: &Transaction<'_>) -> Result<(), Failure> {
        let statement = transaction.prepare_cached(copy::COPY).await?;
        let mut sink = pin!(transaction.copy_in::<_, Bytes>(&statement).await?);
        for piece in copy::encode(self.batch, self.first, &self.items) {
            sink.send(piece).await?;
        }
        let stored = sink.finish().await?;
        if stored == self.items.len() as u64 {
            Ok(())
        } else {
            Err(Failure::Corrupt(format!(
                "{stored} of {} items were stored",
                self.items.len()
            )))
        }
    }

    /// Why the guard did not let the items in.
    async fn refusal(&self, transaction: &Transaction<'_>) -> Result<Failure, Failure> {
        let statement = transaction.prepare_cached(STATE).await?;
        let batch = self.batch;
        let Some(row) = transaction.query_opt(&statement, &[&batch.0]).await? else {
            return Ok(Failure::Conflict(format!("batch {batch} does not exist")));
        };
        let (state, total): (&str, _) = (get(&row, "state")?, count(&row, "total")?);
        Ok(Failure::Conflict(if state == "open" && get(&row, "closed")? {
            format!("batch {batch} takes items after an append to it has begun, and none has")
        } else if state == "open" {
            format!(
                "batch {batch} holds {total} items, so the next one is not {}",
                self.first
            )
        } else {
            format!("batch {batch} takes no items any more: it is {state}")
        }))
    }
}

//! The port to the database: the truth, and the owner of time.
//!
//! Every method is one transaction (or one read) and idempotent, so that a caller may repeat what it is not sure of.
//! Dropping the future of a write leaves either everything or nothing of it.

use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;

use crate::batch::{Batch, BatchFilter, BatchSpec};
use crate::error::Result;
use crate::ids::{BatchId, ItemIndex, Pool, Space};
use crate::item::{Item, ItemFilter, NewItem};
use crate::json::Json;
use crate::outcome::Outcome;
use crate::result::BatchResult;

/// Everything that a database does for Flotilla.
#[async_trait]
pub trait Store: Intake + Dispatch + Ledger + Reading {
    /// Brings the schema up to date. Forward only; safe to run from several processes at once.
    async fn migrate(&self) -> Result<()>;

    /// Answers when the database does and its schema is the one that this program needs.
    async fn ping(&self) -> Result<()>;
}

/// Taking batches in.
#[async_trait]
pub trait Intake: Send + Sync {
    /// Opens a batch for upload. With an idempotency key that its space has used before, answers that batch instead.
    async fn open_batch(&self, new: NewBatch) -> Result<Opened>;

    /// Appends items `first`, `first + 1`, …. A conflict where the batch is not open or does not hold exactly `first`
    /// items.
    async fn append_items(&self, batch: BatchId, first: ItemIndex, items: Vec<NewItem>) -> Result<()>;

    /// Seals an open batch with what it is to do. An empty one is completed at once, with its result. A conflict where
    /// it is not open.
    async fn seal_batch(&self, batch: BatchId, spec: BatchSpec, now: Timestamp) -> Result<Batch>;

    /// Removes an open batch with its items. False where it is not there or not open any more.
    async fn discard_batch(&self, batch: BatchId) -> Result<bool>;

    /// Open batches whose last items came before `idle_since`: their uploader is gone.
    async fn abandoned_batches(&self, idle_since: Timestamp, limit: u32) -> Result<Vec<BatchId>>;
}

/// A batch to open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewBatch {
    /// Its id.
    pub id: BatchId,
    /// Its tenant.
    pub space: Space,
    /// The producer's key: the same key is the same batch.
    pub idempotency_key: Option<String>,
    /// When its upload begins.
    pub created_at: Timestamp,
}

/// What became of [`Intake::open_batch`].
#[derive(Debug, Clone, PartialEq)]
pub enum Opened {
    /// A new batch, open.
    New,
    /// The batch that has this idempotency key. It may still be open: somebody is uploading it.
    Existing(Box<Batch>),
}

/// Handing items to the fleet.
#[async_trait]
pub trait Dispatch: Send + Sync {
    /// Sealed batches of every space that are not final, oldest first: all that have items in flight, and of each
    /// space's others in each pool at most `limit`, those that go first. So no number of batches of one space or pool
    /// hides those of another.
    async fn active_batches(&self, limit: u32) -> Result<Vec<ActiveBatch>>;

    /// Claims items for publishing: due redispatches first, then the next ones of the batch. What a grant asks for is
    /// cut to what is there and to the batch's concurrency, under a lock, so several publishers never exceed it. Moves a
    /// pending batch to processing. Claims belong to the caller for `lease`; batches that another publisher is claiming
    /// from at this moment are skipped.
    async fn claim(&self, wants: &[Want], lease: Duration, now: Timestamp) -> Result<Vec<Claim>>;

    /// Takes over claims whose lease is over, at most `limit` of them: their publisher died before it was done. Only
    /// items that have no outcome yet are returned. Claims of which nothing is left are dropped.
    async fn take_over(&self, lease: Duration, limit: u32, now: Timestamp) -> Result<Vec<Claim>>;

    /// Ends claims: their items are safe with the broker.
    async fn mark_published(&self, claims: &[ClaimId]) -> Result<()>;

    /// Makes every dispatched item of `batch` that has no outcome, no claim and is not waiting for redispatch due for
    /// dispatch again, with the attempt number it had. For when the broker lost them. Answers how many.
    async fn redispatch_unsettled(&self, batch: BatchId, now: Timestamp) -> Result<u32>;
}

/// A batch as the publisher sees it.
#[derive(Debug, Clone, PartialEq)]
pub struct ActiveBatch {
    /// The batch.
    pub id: BatchId,
    /// Its tenant.
    pub space: Space,
    /// Its fleet.
    pub pool: Pool,
    /// Higher goes first, within its space.
    pub priority: i16,
    /// Items dispatched and not accounted for.
    pub in_flight: u32,
    /// Items with a terminal state.
    pub settled: u32,
    /// Items that could be claimed now, if its state and concurrency allow it: 0 where they don't.
    pub ready: u32,
    /// The longest input, in bytes.
    pub max_input_bytes: u32,
}

/// How many items to claim from a batch, at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Want {
    /// The batch.
    pub batch: BatchId,
    /// At most so many.
    pub items: u32,
}

/// A claim's identity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ClaimId(pub i64);

/// Items that the caller is to publish before its lease is over.
#[derive(Debug, Clone, PartialEq)]
pub struct Claim {
    /// Its identity.
    pub id: ClaimId,
    /// The batch.
    pub batch: BatchId,
    /// Its tenant.
    pub space: Space,
    /// What it is to do.
    pub spec: BatchSpec,
    /// The items, in order.
    pub items: Vec<ClaimedItem>,
}

/// An item to publish.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClaimedItem {
    /// Its position.
    pub index: ItemIndex,
    /// Which attempt this is, from 1.
    pub attempt: u16,
    /// What the handler gets.
    pub input: Json,
}

/// Counting outcomes.
#[async_trait]
pub trait Ledger: Send + Sync {
    /// Records outcomes, each unless its item has one already, moves the counts of their batches by exactly what was
    /// recorded, and finalizes the batches that are complete with it: state and result, in the same transaction. Of
    /// several outcomes of one item in `outcomes` the first counts. Outcomes of items or batches that do not exist are
    /// ignored. Answers every batch that `outcomes` name and that exists, as it is now: also those that did not change,
    /// because whoever recorded these outcomes before may not have lived to show it.
    async fn record(&self, outcomes: Vec<Outcome>, now: Timestamp) -> Result<Vec<Batch>>;
}

/// Reading. Whatever belongs to another space does not exist.
#[async_trait]
pub trait Reading: Send + Sync {
    /// One batch.
    async fn batch(&self, space: &Space, id: BatchId) -> Result<Option<Batch>>;

    /// Batches, newest first. Open ones are not listed: they are not accepted yet.
    async fn batches(&self, space: &Space, filter: &BatchFilter, limit: u32) -> Result<Vec<Batch>>;

    /// Sealed batches of every space that are not final, then those that ended since `ended_since`, oldest first: for
    /// services that watch over them.
    async fn watched(&self, ended_since: Timestamp, limit: u32) -> Result<Vec<Batch>>;

    /// Items of a batch, in input order. Empty where the batch does not exist.
    async fn items(
        &self,
        space: &Space,
        batch: BatchId,
        filter: &ItemFilter,
        limit: u32,
    ) -> Result<Vec<Item>>;

    /// The latest revision of a batch's result.
    async fn result(&self, space: &Space, batch: BatchId) -> Result<Option<BatchResult>>;
}

//! The port to the database: the truth, and the owner of time.
//!
//! Every method is one transaction (or one read) and idempotent, so that a caller may repeat what it is not sure of.
//! Dropping the future of a write leaves either everything or nothing of it.
//!
//! What may happen to a batch and to an item is decided by [`BatchRecord`](crate::record::BatchRecord) and
//! [`Place`](crate::place::Place); a store loads them under a lock, lets them decide, and writes what comes of it.

use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;

use crate::attempt::{Attempt, Tried};
use crate::audit::Audit;
use crate::batch::{Batch, BatchFilter, BatchName, BatchSpec, Forbidden};
use crate::command::{Actor, BatchEvent, Command, Selection};
use crate::dead_letter::{DeadFilter, DeadGroup, DeadLetter};
use crate::error::Result;
use crate::ids::{BatchId, ItemIndex, Pool, Space};
use crate::item::{Item, ItemFilter, NewItem};
use crate::json::Json;
use crate::limits::{Ceilings, ScopeUse, Supply};
use crate::place::{Lease, Place};
use crate::result::BatchResult;
use crate::retention::Part;
use crate::skipped::SkippedItem;

/// Everything that a database does for Flotilla.
#[async_trait]
pub trait Store:
    Intake + Dispatch + Ledger + Steer + DeadLetters + Upkeep + Expire + FollowUps + Reading
{
    /// Brings the schema up to date. Forward only; safe to run from several processes at once.
    async fn migrate(&self) -> Result<()>;

    /// Answers when the database does and its schema is the one that this program needs.
    async fn ping(&self) -> Result<()>;

    /// What the clock of the store shows. Whoever gives its methods a `now` goes by it: see
    /// [`StoreClock`](crate::clock::StoreClock).
    async fn now(&self) -> Result<Timestamp>;

    /// 32 random bytes, made by whoever asks first and the same for everybody from then on: what callback tokens are
    /// signed with.
    async fn secret(&self) -> Result<[u8; 32]>;
}

/// Taking batches in.
#[async_trait]
pub trait Intake: Send + Sync {
    /// Opens a batch for upload. With an idempotency key that its space has used before, answers that batch instead.
    async fn open_batch(&self, new: NewBatch) -> Result<Opened>;

    /// Appends items `first`, `first + 1`, …, unless one of them has a `custom_id` that another item of the batch has. A
    /// conflict where the batch is not open or does not hold exactly `first` items.
    async fn append_items(&self, batch: BatchId, first: ItemIndex, items: Vec<NewItem>) -> Result<Appended>;

    /// Keeps what is skipped of an upload or an append under the numbers `first`, `first + 1`, …, in place of whatever
    /// is there. It is part of the batch once that is sealed, is kept open, or keeps the append. A conflict where the
    /// batch is not open.
    async fn skip_items(&self, batch: BatchId, first: u32, skipped: Vec<SkippedItem>) -> Result<()>;

    /// Reserves keys of a space for a batch until a time, and answers who has each of them, in their order. A key is
    /// given to another batch once its time is over or its batch was discarded.
    async fn reserve_keys(
        &self,
        space: &Space,
        batch: BatchId,
        keys: Vec<String>,
        until: Timestamp,
        now: Timestamp,
    ) -> Result<Vec<KeyHolder>>;

    /// Seals an open batch with what it is to do. An empty one is completed at once, with its result. A conflict where
    /// it is not open.
    async fn seal_batch(&self, batch: BatchId, spec: BatchSpec, now: Timestamp) -> Result<Batch>;

    /// Opens, fills and seals a batch at once: for one whose items are all there. An empty one is completed at once. With
    /// an idempotency key that its space has used before, or repeated, answers the batch that is there and changes
    /// nothing. A conflict where two of its items have the same `custom_id`.
    async fn create_batch(
        &self,
        new: NewBatch,
        items: Vec<NewItem>,
        spec: BatchSpec,
        now: Timestamp,
    ) -> Result<Created>;

    /// Makes an open batch one that stays open: it is listed, with what it is to do, keeps the items that it has, and
    /// takes more through [`begin_append`](Self::begin_append) until [`Command::Seal`]. A conflict where it is not open.
    async fn keep_open(&self, batch: BatchId, spec: BatchSpec, now: Timestamp) -> Result<Batch>;

    /// Lets the caller append items to a batch that stays open. Whatever an append left that never ended is removed.
    /// One append at a time: another one is [`Appending::Busy`] until it ended or was silent for `patience`; so is an
    /// upload that was not accepted yet. Until it is kept, what is appended is in no count and no list.
    async fn begin_append(
        &self,
        space: &Space,
        batch: BatchId,
        patience: Duration,
        now: Timestamp,
    ) -> Result<Appending>;

    /// Ends an append: keeps all of its items, or none. Answers the batch. A conflict where it is not open any more,
    /// somebody else appends, or it was ended before. A batch that is cancelled in the middle of an append keeps none of
    /// it either.
    async fn end_append(&self, batch: BatchId, first: ItemIndex, keep: bool, now: Timestamp)
    -> Result<Batch>;

    /// Appends what a producer sends next to a batch that stays open: items, what is skipped, and how far the producer
    /// is with that, all of it or nothing. Any number of producers do so at the same time, and their items mix; but not
    /// while an append goes on. The producer's position is an idempotency key: repeated, it changes nothing.
    async fn append_portion(
        &self,
        space: &Space,
        batch: BatchId,
        portion: Portion,
        now: Timestamp,
    ) -> Result<Portioned>;

    /// How far a producer is with a batch: 0 where it has not appended yet. `None` where there is no such batch.
    async fn producer_position(&self, space: &Space, batch: BatchId, producer: &str) -> Result<Option<u32>>;

    /// Removes an open batch with its items. False where it is not there or not open any more.
    async fn discard_batch(&self, batch: BatchId) -> Result<bool>;

    /// Open batches whose last items came before `idle_since`: their uploader is gone. Not those that stay open.
    async fn abandoned_batches(&self, idle_since: Timestamp, limit: u32) -> Result<Vec<BatchId>>;

    /// Batches that stay open and were last touched before `idle_since`: nobody is going to seal them.
    async fn unsealed_batches(&self, idle_since: Timestamp, limit: u32) -> Result<Vec<BatchId>>;
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

/// What became of [`Intake::create_batch`].
#[derive(Debug, Clone, PartialEq)]
pub enum Created {
    /// A new batch, sealed.
    New(Box<Batch>),
    /// The batch that has this id or idempotency key. It may still be open: somebody is uploading it.
    Existing(Box<Batch>),
}

/// What became of [`Intake::append_items`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Appended {
    /// All of them are stored.
    All,
    /// None is: these have a `custom_id` that another item has, of the batch or before it among them.
    Named(Vec<Namesake>),
}

/// An item that has the `custom_id` of another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Namesake {
    /// The index that it would have got.
    pub index: ItemIndex,
    /// The index of the other one.
    pub other: ItemIndex,
}

/// Who has a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyHolder {
    /// The batch that asked for it.
    Asker,
    /// Another batch, which was accepted.
    Accepted(BatchId),
    /// An upload that may still fail.
    Uploading(BatchId),
}

/// What a producer appends at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Portion {
    /// The producer's name, within the batch.
    pub producer: String,
    /// How much the producer has sent before it: what was taken and what was skipped.
    pub position: u32,
    /// How much this is: items, what is skipped, and what is neither.
    pub read: u32,
    /// The items.
    pub items: Vec<NewItem>,
    /// What is skipped.
    pub skipped: Vec<SkippedItem>,
}

/// What became of [`Intake::append_portion`].
#[derive(Debug, Clone, PartialEq)]
pub enum Portioned {
    /// It is stored; the batch as it is now.
    Done(Box<Batch>),
    /// The producer is elsewhere: nothing was stored.
    Elsewhere(u32),
    /// Nothing was stored, because of these; the first item would have got the index `first`.
    Named {
        /// See above.
        first: ItemIndex,
        /// Items that have the `custom_id` of another one.
        namesakes: Vec<Namesake>,
    },
    /// An append goes on, or the batch is an upload that was not accepted yet.
    Busy,
    /// It takes no items any more.
    NotOpen(Box<Batch>),
    /// There is no such batch.
    Unknown,
}

/// What became of [`Intake::begin_append`].
#[derive(Debug, Clone, PartialEq)]
pub enum Appending {
    /// The caller may append.
    Ready {
        /// The index that the first item gets.
        first: ItemIndex,
        /// The number of what is skipped first.
        skipped: u32,
    },
    /// Somebody else is appending.
    Busy,
    /// It takes no items any more.
    NotOpen(Box<Batch>),
    /// There is no such batch.
    Unknown,
}

/// Handing items to the fleet.
#[async_trait]
pub trait Dispatch: Send + Sync {
    /// Sealed batches of every space that have items in flight or left to dispatch, oldest first: all that have items in
    /// flight, and of each space's others in each pool at most `limit`, those that go first. So no number of batches of
    /// one space or pool hides those of another; nor do those that can't dispatch now, because of their state or their
    /// start. With how much of `ceilings` is used.
    async fn active_batches(&self, limit: u32, ceilings: &Ceilings, now: Timestamp) -> Result<Active>;

    /// Claims items for publishing: due ones first, then the next ones of the batch. What is wanted is cut to what there
    /// is and to what the batch and `ceilings` allow, under locks, so several publishers never exceed it; where that is
    /// less than is wanted, suspects go first. Moves a pending batch to processing. Claims belong to the caller for
    /// `lease`; batches that another publisher is claiming from at this moment are skipped.
    async fn claim(
        &self,
        wants: &[Want],
        ceilings: &Ceilings,
        lease: Duration,
        now: Timestamp,
    ) -> Result<Vec<Claim>>;

    /// Takes over claims whose lease is over, at most `limit` of them: their publisher died before it was done. Only
    /// items that are still dispatched are returned: not what has its outcome, has a lease, or came back and is due.
    /// Claims of which nothing is left are dropped.
    async fn take_over(&self, lease: Duration, limit: u32, now: Timestamp) -> Result<Vec<Claim>>;

    /// Ends claims: their items are safe with the broker.
    async fn mark_published(&self, claims: &[ClaimId]) -> Result<()>;

    /// Returns every dispatched item of `batch` that has no outcome, no claim and no lease, and is not due: it goes out
    /// again, with the attempt number it had. For when the broker lost them. Answers how many.
    async fn redispatch_unsettled(&self, batch: BatchId, now: Timestamp) -> Result<u32>;
}

/// What there is to dispatch.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Active {
    /// By batch.
    pub batches: Vec<ActiveBatch>,
    /// The ceilings that these batches are under.
    pub scopes: Vec<ScopeUse>,
    /// When the next batch may start that is not listed because of its start.
    pub next_start: Option<Timestamp>,
}

/// A batch as the publisher sees it.
#[derive(Debug, Clone, PartialEq)]
pub struct ActiveBatch {
    /// The batch.
    pub id: BatchId,
    /// Its tenant.
    pub space: Space,
    /// Its job type.
    pub job_type: String,
    /// Its fleet.
    pub pool: Pool,
    /// Higher goes first, within its space.
    pub priority: i16,
    /// Items with a terminal state.
    pub settled: u32,
    /// What may be dispatched of it.
    pub supply: Supply,
    /// The longest input, in bytes.
    pub max_input_bytes: u32,
}

/// How many items to claim from a batch, at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Want {
    /// The batch.
    pub batch: BatchId,
    /// At most so many that may run beside others.
    pub items: u32,
    /// At most so many that have to run alone.
    pub suspects: u32,
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
    /// Its epoch.
    pub epoch: u32,
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
    /// The last attempt that it gets.
    pub last_attempt: u16,
    /// It has to run alone.
    pub isolated: bool,
    /// What the handler gets.
    pub input: Json,
}

/// Counting outcomes.
#[async_trait]
pub trait Ledger: Send + Sync {
    /// Records what became of attempts, in their order: moves their items, moves the counts of their batches by exactly
    /// that, keeps a dead letter of each item that failed, and finalizes the batches that are complete with it: state and
    /// result, in the same transaction. Attempts at items or batches that do not exist are ignored. Answers every batch
    /// that `attempts` name and that exists, as it is now: also those that did not change, because whoever recorded
    /// these attempts before may not have lived to show it.
    async fn record(&self, attempts: Vec<Attempt>, now: Timestamp) -> Result<Vec<Batch>>;

    /// Where an item is, and its lease where it has one. `None` where there is no such item.
    async fn place(&self, batch: BatchId, index: ItemIndex) -> Result<Option<(Place, Option<Lease>)>>;
}

/// Steering batches.
#[async_trait]
pub trait Steer: Send + Sync {
    /// Does what `by` asks for to a batch of `space`, and writes it into its history, unless there is nothing to do. A
    /// conflict where it would seal a batch in the middle of an append.
    async fn command(
        &self,
        space: &Space,
        batch: BatchId,
        command: &Command,
        by: &Actor,
        now: Timestamp,
    ) -> Result<Steered>;

    /// Lets ended items of a batch run again, as [`BatchRecord::reopened`](crate::record::BatchRecord::reopened) says:
    /// takes their outcomes and dead letters back, and opens the batch where it had ended. Its results stay; the next
    /// one is a new revision. With `dry_run` it only counts.
    async fn reopen(
        &self,
        space: &Space,
        batch: BatchId,
        selection: &Selection,
        dry_run: bool,
        by: &Actor,
        now: Timestamp,
    ) -> Result<Reopened>;

    /// What was done to a batch, oldest first: the latest thousand. Empty where there is no such batch.
    async fn history(&self, space: &Space, batch: BatchId) -> Result<Vec<BatchEvent>>;
}

/// What became of a command.
#[derive(Debug, Clone, PartialEq)]
pub enum Steered {
    /// Done; the batch as it is now.
    Done(Box<Batch>),
    /// There was nothing to do; the batch as it is.
    Unchanged(Box<Batch>),
    /// Its state does not allow it.
    Forbidden(Forbidden),
    /// There is no such batch, or it is being removed.
    Unknown,
}

/// What became of [`Steer::reopen`].
#[derive(Debug, Clone, PartialEq)]
pub enum Reopened {
    /// So many items run again, or would; the batch as it is now.
    Done(u32, Box<Batch>),
    /// Its state does not allow it.
    Forbidden(Forbidden),
    /// There is no such batch, or it is being removed.
    Unknown,
}

/// Deciding about items that were given up on.
#[async_trait]
pub trait DeadLetters: Send + Sync {
    /// Dead letters of a space, by batch and index, newest batch first.
    async fn dead_letters(&self, space: &Space, filter: &DeadFilter, limit: u32) -> Result<Vec<DeadLetter>>;

    /// The same by fingerprint, largest group first.
    async fn dead_groups(&self, space: &Space, filter: &DeadFilter, limit: u32) -> Result<Vec<DeadGroup>>;

    /// Batches that dead letters are of, and how many each has, newest first.
    async fn dead_batches(
        &self,
        space: &Space,
        filter: &DeadFilter,
        limit: u32,
    ) -> Result<Vec<(BatchId, u32)>>;

    /// Forgets dead letters, at most `limit`; their items stay failed. Answers how many.
    async fn discard_dead(&self, space: &Space, filter: &DeadFilter, limit: u32) -> Result<u32>;
}

/// What the reconcilers of the scheduler work with, over all spaces.
#[async_trait]
pub trait Upkeep: Send + Sync {
    /// Lets at most `limit` leases that are over fail their attempt, with a retry where there is one left. Answers the
    /// batches that changed.
    async fn expire_leases(&self, limit: u32, now: Timestamp) -> Result<Vec<Batch>>;

    /// Batches that are being cancelled.
    async fn halted_batches(&self, limit: u32) -> Result<Vec<BatchId>>;

    /// Cancels at most `limit` items of a batch that is being cancelled: those that are not in flight; once there are
    /// none, and where it was halted before `grace_since`, also those that are. Ends it with the last one. Answers the
    /// batch, and how many items it cancelled; `None` where there is nothing of the kind.
    async fn sweep(
        &self,
        batch: BatchId,
        limit: u32,
        grace_since: Timestamp,
        now: Timestamp,
    ) -> Result<Option<(Batch, u32)>>;

    /// Batches that are not halted and whose deadline has passed, with their space.
    async fn overdue_batches(&self, limit: u32, now: Timestamp) -> Result<Vec<(Space, BatchId)>>;

    /// Ended batches that are to be removed, with their space.
    async fn deleted_batches(&self, limit: u32) -> Result<Vec<(Space, BatchId)>>;

    /// Batches that ended before `ended_before` and whose retention does not say how long they stay, oldest first, with
    /// their space.
    async fn ended_batches(&self, ended_before: Timestamp, limit: u32) -> Result<Vec<(Space, BatchId)>>;

    /// What is in flight of every batch that is under way: dispatched, without an outcome or a lease, and not due. Of a
    /// batch that is `known`, only the items that it names and those that were dispatched since: so that each look costs
    /// what is in flight, and not what ever was. At most about `limit` items of a batch are looked at that were not
    /// named; [`InFlight::seen`] says how far that went.
    async fn in_flight(&self, known: &[Known], limit: u32) -> Result<Vec<InFlight>>;

    /// Forgets at most `limit` keys whose time is over. Answers how many.
    async fn forget_keys(&self, limit: u32, now: Timestamp) -> Result<u32>;

    /// Dispatches items again whose messages are lost: each that is in flight as it was listed, and under no claim, is
    /// due when its time says so. Answers how many.
    async fn resend(&self, batch: BatchId, lost: &[Resend]) -> Result<u32>;

    /// Removes at most about `limit` rows of a batch that is to be removed, and the batch with its last ones. True once
    /// nothing of it is left. What is not to be removed stays, and is false.
    async fn purge(&self, batch: BatchId, limit: u32) -> Result<bool>;
}

/// Removing what batches leave, as their retention says: part by part, a few rows at a time.
///
/// What is due is written with the end of a batch, and gone when it runs again or is deleted. A part is removed in three
/// steps: [`begin_expiry`](Self::begin_expiry), from which on readers don't see it and nothing of the batch runs again
/// until the last step; [`expire_some`](Self::expire_some) until all rows are done; [`end_expiry`](Self::end_expiry).
/// Whoever dies in between is followed by somebody who goes on.
#[async_trait]
pub trait Expire: Send + Sync {
    /// What is due at `now`, the longest overdue first.
    async fn due_expiries(&self, limit: u32, now: Timestamp) -> Result<Vec<Expiry>>;

    /// Decides that a part which is due is removed from now on. False where it is not to be removed (any more): it is not
    /// due, the batch runs again or was deleted, or has to be archived first.
    async fn begin_expiry(&self, batch: BatchId, part: Part, now: Timestamp) -> Result<bool>;

    /// Removes what at most `limit` rows have of a part that was begun. Of two that do it at once, one goes on.
    async fn expire_some(&self, batch: BatchId, part: Part, limit: u32) -> Result<Removed>;

    /// Nothing of a part is left, neither rows nor objects.
    async fn end_expiry(&self, batch: BatchId, part: Part) -> Result<()>;

    /// Notes that the items of a batch were archived as they were at the end of `revision`. False where it has run again
    /// since, or is gone.
    async fn archived(&self, batch: BatchId, revision: u32) -> Result<bool>;
}

/// Something that is to be removed of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expiry {
    /// The batch.
    pub batch: BatchId,
    /// Its tenant.
    pub space: Space,
    /// What.
    pub part: Part,
    /// Since when.
    pub due_at: Timestamp,
}

/// What became of [`Expire::expire_some`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Removed {
    /// There may be more.
    Some,
    /// No row has anything of it any more.
    All,
    /// Somebody else is at it, or it is not to be removed any more.
    Nothing,
}

/// Follow-ups that batches call for: an outbox.
#[async_trait]
pub trait FollowUps: Send + Sync {
    /// Those that are to be created, of batches that have ended and were not deleted, oldest batch first.
    async fn pending_follow_ups(&self, limit: u32) -> Result<Vec<FollowUp>>;

    /// Notes that one was created. The first one stays.
    async fn follow_up_created(&self, batch: BatchId, revision: u32, follow_up: BatchId) -> Result<()>;

    /// The one that a result of a batch called for, where it did.
    async fn follow_up(&self, space: &Space, batch: BatchId, revision: u32) -> Result<Option<FollowUp>>;
}

/// A follow-up that a result of a batch called for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FollowUp {
    /// The batch on which it follows.
    pub batch: BatchId,
    /// Its tenant.
    pub space: Space,
    /// Which of its results.
    pub revision: u32,
    /// The batch that it is, once that was created.
    pub follow_up: Option<BatchId>,
}

/// What is known to be in flight of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    /// The batch.
    pub batch: BatchId,
    /// Items before it were looked at when they were dispatched for the first time.
    pub seen: ItemIndex,
    /// Those of them that were still in flight after their first dispatch.
    pub items: Vec<ItemIndex>,
}

/// What is in flight of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InFlight {
    /// The batch.
    pub batch: BatchId,
    /// Its fleet.
    pub pool: Pool,
    /// Items before it were looked at.
    pub seen: ItemIndex,
    /// The items, in no order.
    pub items: Vec<Sent>,
}

/// An item in flight: a message stands for it, or did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Sent {
    /// Its position.
    pub index: ItemIndex,
    /// Which attempt it is.
    pub attempt: u16,
    /// How often it was dispatched again because its message was lost.
    pub resends: u16,
    /// It was dispatched for the first time and never came back.
    pub first: bool,
    /// It goes through the isolation queue.
    pub isolated: bool,
    /// A publisher has it in hand.
    pub claimed: bool,
}

/// An item to dispatch again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Resend {
    /// The item, as it was listed.
    pub sent: Sent,
    /// When.
    pub due_at: Timestamp,
}

/// Reading. Whatever belongs to another space, or is being removed, does not exist.
#[async_trait]
pub trait Reading: Send + Sync {
    /// One batch.
    async fn batch(&self, space: &Space, id: BatchId) -> Result<Option<Batch>>;

    /// Batches, newest first. Uploads are not listed: they are not accepted yet.
    async fn batches(&self, space: &Space, filter: &BatchFilter, limit: u32) -> Result<Vec<Batch>>;

    /// The same, and no more of them than what people call them: cheap enough to look through many.
    async fn batch_names(&self, space: &Space, filter: &BatchFilter, limit: u32) -> Result<Vec<BatchName>>;

    /// These batches, newest first, without those that do not exist.
    async fn batches_of(&self, space: &Space, ids: &[BatchId]) -> Result<Vec<Batch>>;

    /// Sealed batches of every space that are not final, by id, from the first after `after` on: for services that watch
    /// over them.
    async fn unfinished(&self, after: Option<BatchId>, limit: u32) -> Result<Vec<Batch>>;

    /// Batches of every space that have ended, by the time at which they did and their id, from the first after `after` on.
    async fn finished(&self, after: (Timestamp, BatchId), limit: u32) -> Result<Vec<Batch>>;

    /// Items of a batch, in input order. Empty where the batch does not exist.
    async fn items(
        &self,
        space: &Space,
        batch: BatchId,
        filter: &ItemFilter,
        limit: u32,
    ) -> Result<Vec<Item>>;

    /// The item of a batch that has this `custom_id`.
    async fn item_named(&self, space: &Space, batch: BatchId, custom_id: &str) -> Result<Option<ItemIndex>>;

    /// What was sent with a batch and skipped, with its numbers, from the first after `after` on. Empty where the batch
    /// does not exist.
    async fn skipped(
        &self,
        space: &Space,
        batch: BatchId,
        after: Option<u32>,
        limit: u32,
    ) -> Result<Vec<(u32, SkippedItem)>>;

    /// The attempts at an item that failed and were followed by another, oldest first. Empty where there is no such item.
    async fn tried(&self, space: &Space, batch: BatchId, index: ItemIndex) -> Result<Vec<Tried>>;

    /// A result of a batch: this revision, or the latest.
    async fn result(
        &self,
        space: &Space,
        batch: BatchId,
        revision: Option<u32>,
    ) -> Result<Option<BatchResult>>;

    /// Counts the rows of a batch, all of them as of one moment, beside what its counters say. `None` where there is no
    /// such batch.
    async fn audit(&self, space: &Space, batch: BatchId) -> Result<Option<Audit>>;

    /// What may be dispatched of a batch, and how much of `ceilings` over it is used. `None` where there is no such batch.
    async fn supply(
        &self,
        space: &Space,
        batch: BatchId,
        ceilings: &Ceilings,
        now: Timestamp,
    ) -> Result<Option<(Supply, Vec<ScopeUse>)>>;
}

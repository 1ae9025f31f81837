//! The SQLite store, which refuses attempts or makes them wait when told to.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use flotilla_core::attempt::{Attempt, Tried};
use flotilla_core::audit::Audit;
use flotilla_core::batch::{Batch, BatchFilter, BatchName, BatchSpec};
use flotilla_core::command::{Actor, BatchEvent, Command, Selection};
use flotilla_core::dead_letter::{DeadFilter, DeadGroup, DeadLetter};
use flotilla_core::item::{Item, ItemFilter, NewItem};
use flotilla_core::limits::{Ceilings, ScopeUse, Supply};
use flotilla_core::place::{Lease, Place};
use flotilla_core::ports::Store;
use flotilla_core::ports::store::{
    Active, Appended, Appending, Claim, ClaimId, Created, DeadLetters, Dispatch, Expire, Expiry, FollowUp,
    FollowUps, InFlight, Intake, KeyHolder, Known, Ledger, NewBatch, Opened, Portion, Portioned, Reading,
    Removed, Reopened, Resend, Steer, Steered, Upkeep, Want,
};
use flotilla_core::result::BatchResult;
use flotilla_core::retention::Part;
use flotilla_core::skipped::SkippedItem;
use flotilla_core::{BatchId, Error, ItemIndex, Result, Space};
use flotilla_sqlite::SqliteStore;
use jiff::Timestamp;
use tokio::sync::{Notify, watch};

type Refusal = Box<dyn Fn(&[Attempt]) -> Option<Error> + Send>;

pub(crate) struct FlakyStore {
    inner: SqliteStore,
    refusal: Mutex<Refusal>,
    /// Every call of `record`: the items that it named.
    calls: watch::Sender<Vec<Vec<ItemIndex>>>,
    shut: watch::Sender<bool>,
    /// The call that is held back, once.
    held: Mutex<Option<(&'static str, Arc<Gate>)>>,
}

/// Holds a call back.
#[derive(Default)]
pub(crate) struct Gate {
    reached: Notify,
    open: Notify,
}

impl Gate {
    /// Waits until the call was made.
    pub(crate) async fn reached(&self) {
        self.reached.notified().await;
    }

    /// Lets it go on.
    pub(crate) fn open(&self) {
        self.open.notify_one();
    }
}

impl FlakyStore {
    pub(crate) fn new(inner: SqliteStore) -> Self {
        Self {
            inner,
            refusal: Mutex::new(Box::new(|_| None)),
            calls: watch::Sender::default(),
            shut: watch::Sender::new(false),
            held: Mutex::default(),
        }
    }

    /// Attempts are refused as `refusal` says.
    pub(crate) fn refuse(&self, refusal: impl Fn(&[Attempt]) -> Option<Error> + Send + 'static) {
        *self.refusal.lock().unwrap_or_else(PoisonError::into_inner) = Box::new(refusal);
    }

    /// While it is shut, recording waits.
    pub(crate) fn shut(&self, shut: bool) {
        self.shut.send_replace(shut);
    }

    /// Holds the next call of this name back.
    pub(crate) fn hold(&self, call: &'static str) -> Arc<Gate> {
        let gate = Arc::<Gate>::default();
        *self.held.lock().unwrap_or_else(PoisonError::into_inner) = Some((call, Arc::clone(&gate)));
        gate
    }

    async fn before(&self, call: &str) {
        let held = {
            let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
            held.take_if(|(name, _)| *name == call)
        };
        if let Some((_, gate)) = held {
            gate.reached.notify_one();
            gate.open.notified().await;
        }
    }

    /// The items that every recording named so far, those that were refused or wait included.
    pub(crate) fn calls(&self) -> Vec<Vec<ItemIndex>> {
        self.calls.borrow().clone()
    }

    /// Waits for the first recording.
    pub(crate) async fn called(&self) {
        let mut calls = self.calls.subscribe();
        calls.wait_for(|calls| !calls.is_empty()).await.unwrap();
    }
}

macro_rules! forward {
    ($port:ident { $(fn $name:ident($($arg:ident: $type:ty),* $(,)?) -> $answer:ty;)* }) => {
        #[async_trait]
        impl $port for FlakyStore {
            $(async fn $name(&self, $($arg: $type),*) -> $answer {
                self.before(stringify!($name)).await;
                self.inner.$name($($arg),*).await
            })*
        }
    };
}

#[async_trait]
impl Ledger for FlakyStore {
    async fn record(&self, attempts: Vec<Attempt>, now: Timestamp) -> Result<Vec<Batch>> {
        let items = attempts.iter().map(|attempt| attempt.index).collect();
        self.calls.send_modify(|calls| calls.push(items));
        let refused = self.refusal.lock().unwrap_or_else(PoisonError::into_inner)(&attempts);
        if let Some(error) = refused {
            return Err(error);
        }
        let mut shut = self.shut.subscribe();
        shut.wait_for(|shut| !shut).await.unwrap();
        self.inner.record(attempts, now).await
    }

    async fn place(&self, batch: BatchId, index: ItemIndex) -> Result<Option<(Place, Option<Lease>)>> {
        self.inner.place(batch, index).await
    }
}

forward!(Store {
    fn migrate() -> Result<()>;
    fn ping() -> Result<()>;
    fn now() -> Result<Timestamp>;
    fn secret() -> Result<[u8; 32]>;
});

forward!(Intake {
    fn open_batch(new: NewBatch) -> Result<Opened>;
    fn append_items(batch: BatchId, first: ItemIndex, items: Vec<NewItem>) -> Result<Appended>;
    fn skip_items(batch: BatchId, first: u32, skipped: Vec<SkippedItem>) -> Result<()>;
    fn reserve_keys(
        space: &Space,
        batch: BatchId,
        keys: Vec<String>,
        until: Timestamp,
        now: Timestamp,
    ) -> Result<Vec<KeyHolder>>;
    fn seal_batch(batch: BatchId, spec: BatchSpec, now: Timestamp) -> Result<Batch>;
    fn create_batch(new: NewBatch, items: Vec<NewItem>, spec: BatchSpec, now: Timestamp) -> Result<Created>;
    fn keep_open(batch: BatchId, spec: BatchSpec, now: Timestamp) -> Result<Batch>;
    fn begin_append(space: &Space, batch: BatchId, patience: Duration, now: Timestamp) -> Result<Appending>;
    fn end_append(batch: BatchId, first: ItemIndex, keep: bool, now: Timestamp) -> Result<Batch>;
    fn append_portion(space: &Space, batch: BatchId, portion: Portion, now: Timestamp) -> Result<Portioned>;
    fn producer_position(space: &Space, batch: BatchId, producer: &str) -> Result<Option<u32>>;
    fn discard_batch(batch: BatchId) -> Result<bool>;
    fn abandoned_batches(idle_since: Timestamp, limit: u32) -> Result<Vec<BatchId>>;
    fn unsealed_batches(idle_since: Timestamp, limit: u32) -> Result<Vec<BatchId>>;
});

forward!(Dispatch {
    fn active_batches(limit: u32, ceilings: &Ceilings, now: Timestamp) -> Result<Active>;
    fn claim(wants: &[Want], ceilings: &Ceilings, lease: Duration, now: Timestamp) -> Result<Vec<Claim>>;
    fn take_over(lease: Duration, limit: u32, now: Timestamp) -> Result<Vec<Claim>>;
    fn mark_published(claims: &[ClaimId]) -> Result<()>;
    fn redispatch_unsettled(batch: BatchId, now: Timestamp) -> Result<u32>;
});

forward!(Steer {
    fn command(space: &Space, batch: BatchId, command: &Command, by: &Actor, now: Timestamp) -> Result<Steered>;
    fn reopen(
        space: &Space,
        batch: BatchId,
        selection: &Selection,
        dry_run: bool,
        by: &Actor,
        now: Timestamp,
    ) -> Result<Reopened>;
    fn history(space: &Space, batch: BatchId) -> Result<Vec<BatchEvent>>;
});

forward!(DeadLetters {
    fn dead_letters(space: &Space, filter: &DeadFilter, limit: u32) -> Result<Vec<DeadLetter>>;
    fn dead_groups(space: &Space, filter: &DeadFilter, limit: u32) -> Result<Vec<DeadGroup>>;
    fn dead_batches(space: &Space, filter: &DeadFilter, limit: u32) -> Result<Vec<(BatchId, u32)>>;
    fn discard_dead(space: &Space, filter: &DeadFilter, limit: u32) -> Result<u32>;
});

forward!(Upkeep {
    fn expire_leases(limit: u32, now: Timestamp) -> Result<Vec<Batch>>;
    fn halted_batches(limit: u32) -> Result<Vec<BatchId>>;
    fn sweep(batch: BatchId, limit: u32, grace_since: Timestamp, now: Timestamp) -> Result<Option<(Batch, u32)>>;
    fn overdue_batches(limit: u32, now: Timestamp) -> Result<Vec<(Space, BatchId)>>;
    fn deleted_batches(limit: u32) -> Result<Vec<(Space, BatchId)>>;
    fn ended_batches(ended_before: Timestamp, limit: u32) -> Result<Vec<(Space, BatchId)>>;
    fn in_flight(known: &[Known], limit: u32) -> Result<Vec<InFlight>>;
    fn forget_keys(limit: u32, now: Timestamp) -> Result<u32>;
    fn resend(batch: BatchId, lost: &[Resend]) -> Result<u32>;
    fn purge(batch: BatchId, limit: u32) -> Result<bool>;
});

forward!(Expire {
    fn due_expiries(limit: u32, now: Timestamp) -> Result<Vec<Expiry>>;
    fn begin_expiry(batch: BatchId, part: Part, now: Timestamp) -> Result<bool>;
    fn expire_some(batch: BatchId, part: Part, limit: u32) -> Result<Removed>;
    fn end_expiry(batch: BatchId, part: Part) -> Result<()>;
    fn archived(batch: BatchId, revision: u32) -> Result<bool>;
});

forward!(FollowUps {
    fn pending_follow_ups(limit: u32) -> Result<Vec<FollowUp>>;
    fn follow_up_created(batch: BatchId, revision: u32, follow_up: BatchId) -> Result<()>;
    fn follow_up(space: &Space, batch: BatchId, revision: u32) -> Result<Option<FollowUp>>;
});

forward!(Reading {
    fn batch(space: &Space, id: BatchId) -> Result<Option<Batch>>;
    fn batches(space: &Space, filter: &BatchFilter, limit: u32) -> Result<Vec<Batch>>;
    fn batch_names(space: &Space, filter: &BatchFilter, limit: u32) -> Result<Vec<BatchName>>;
    fn batches_of(space: &Space, ids: &[BatchId]) -> Result<Vec<Batch>>;
    fn unfinished(after: Option<BatchId>, limit: u32) -> Result<Vec<Batch>>;
    fn finished(after: (Timestamp, BatchId), limit: u32) -> Result<Vec<Batch>>;
    fn items(space: &Space, batch: BatchId, filter: &ItemFilter, limit: u32) -> Result<Vec<Item>>;
    fn item_named(space: &Space, batch: BatchId, custom_id: &str) -> Result<Option<ItemIndex>>;
    fn skipped(space: &Space, batch: BatchId, after: Option<u32>, limit: u32) -> Result<Vec<(u32, SkippedItem)>>;
    fn tried(space: &Space, batch: BatchId, index: ItemIndex) -> Result<Vec<Tried>>;
    fn result(space: &Space, batch: BatchId, revision: Option<u32>) -> Result<Option<BatchResult>>;
    fn audit(space: &Space, batch: BatchId) -> Result<Option<Audit>>;
    fn supply(
        space: &Space,
        batch: BatchId,
        ceilings: &Ceilings,
        now: Timestamp,
    ) -> Result<Option<(Supply, Vec<ScopeUse>)>>;
});

//! A store with faults on demand. Above all its answers get lost: the write happens, and the caller is told that the
//! store is away. What a connection that breaks at the wrong moment looks like.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use flotilla_core::attempt::{Attempt, Tried};
use flotilla_core::audit::Audit;
use flotilla_core::batch::{BatchFilter, BatchName, BatchSpec};
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
use flotilla_core::{Batch, BatchId, Error, ItemIndex, Result, Space};
use jiff::Timestamp;

pub(crate) struct Lossy {
    inner: Arc<dyn Store>,
    /// Answers still to lose, of each write.
    pub(crate) appends: AtomicU32,
    pub(crate) creates: AtomicU32,
    pub(crate) seals: AtomicU32,
    pub(crate) opens: AtomicU32,
    pub(crate) keeps: AtomicU32,
    pub(crate) ends: AtomicU32,
    pub(crate) commands: AtomicU32,
    pub(crate) records: AtomicU32,
    /// Nothing can be read.
    pub(crate) away: AtomicBool,
    /// Nothing works.
    pub(crate) gone: AtomicBool,
    /// Reading a batch panics.
    pub(crate) panics: AtomicBool,
}

impl Lossy {
    pub(crate) fn new(inner: Arc<dyn Store>) -> Self {
        Self {
            inner,
            appends: AtomicU32::new(0),
            creates: AtomicU32::new(0),
            seals: AtomicU32::new(0),
            opens: AtomicU32::new(0),
            keeps: AtomicU32::new(0),
            ends: AtomicU32::new(0),
            commands: AtomicU32::new(0),
            records: AtomicU32::new(0),
            away: AtomicBool::new(false),
            gone: AtomicBool::new(false),
            panics: AtomicBool::new(false),
        }
    }

    fn whatever(&self) -> Result<()> {
        if self.gone.load(Ordering::SeqCst) {
            return Err(Error::unavailable("SQLite", "a secret address does not answer"));
        }
        Ok(())
    }

    fn there(&self) -> Result<()> {
        assert!(!self.panics.load(Ordering::SeqCst), "on purpose");
        self.whatever()?;
        if self.away.load(Ordering::SeqCst) {
            return Err(Error::unavailable("SQLite", "a secret address does not answer"));
        }
        Ok(())
    }
}

fn lose<T>(counter: &AtomicU32, answer: Result<T>) -> Result<T> {
    let lost = counter.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
    match lost {
        Ok(_) => Err(Error::unavailable("SQLite", "the answer got lost")),
        Err(_) => answer,
    }
}

/// Passes calls on, one line each. Answers of those with a counter may get lost.
macro_rules! pass {
    ($trait:ident if $guard:ident: $($name:ident($($arg:ident: $type:ty),*) -> $answer:ty $([$counter:ident])?;)*) => {
        #[async_trait]
        impl $trait for Lossy {
            $(async fn $name(&self, $($arg: $type),*) -> Result<$answer> {
                self.$guard()?;
                let answer = self.inner.$name($($arg),*).await;
                $(let answer = lose(&self.$counter, answer);)?
                answer
            })*
        }
    };
}

#[async_trait]
impl Store for Lossy {
    async fn migrate(&self) -> Result<()> {
        self.inner.migrate().await
    }
    async fn ping(&self) -> Result<()> {
        self.there()?;
        self.inner.ping().await
    }
    async fn now(&self) -> Result<Timestamp> {
        self.inner.now().await
    }
    async fn secret(&self) -> Result<[u8; 32]> {
        self.whatever()?;
        self.inner.secret().await
    }
}

pass! { Intake if whatever:
    open_batch(new: NewBatch) -> Opened [opens];
    append_items(batch: BatchId, first: ItemIndex, items: Vec<NewItem>) -> Appended [appends];
    skip_items(batch: BatchId, first: u32, skipped: Vec<SkippedItem>) -> () [appends];
    reserve_keys(space: &Space, batch: BatchId, keys: Vec<String>, until: Timestamp, now: Timestamp) -> Vec<KeyHolder>;
    seal_batch(batch: BatchId, spec: BatchSpec, now: Timestamp) -> Batch [seals];
    create_batch(new: NewBatch, items: Vec<NewItem>, spec: BatchSpec, now: Timestamp) -> Created [creates];
    keep_open(batch: BatchId, spec: BatchSpec, now: Timestamp) -> Batch [keeps];
    begin_append(space: &Space, batch: BatchId, patience: Duration, now: Timestamp) -> Appending;
    end_append(batch: BatchId, first: ItemIndex, keep: bool, now: Timestamp) -> Batch [ends];
    append_portion(space: &Space, batch: BatchId, portion: Portion, now: Timestamp) -> Portioned [appends];
    producer_position(space: &Space, batch: BatchId, producer: &str) -> Option<u32>;
    discard_batch(batch: BatchId) -> bool;
    abandoned_batches(idle_since: Timestamp, limit: u32) -> Vec<BatchId>;
    unsealed_batches(idle_since: Timestamp, limit: u32) -> Vec<BatchId>;
}

pass! { Dispatch if whatever:
    active_batches(limit: u32, ceilings: &Ceilings, now: Timestamp) -> Active;
    claim(wants: &[Want], ceilings: &Ceilings, lease: Duration, now: Timestamp) -> Vec<Claim>;
    take_over(lease: Duration, limit: u32, now: Timestamp) -> Vec<Claim>;
    mark_published(claims: &[ClaimId]) -> ();
    redispatch_unsettled(batch: BatchId, now: Timestamp) -> u32;
}

pass! { Ledger if whatever:
    record(attempts: Vec<Attempt>, now: Timestamp) -> Vec<Batch> [records];
    place(batch: BatchId, index: ItemIndex) -> Option<(Place, Option<Lease>)>;
}

pass! { Steer if whatever:
    command(space: &Space, batch: BatchId, command: &Command, by: &Actor, now: Timestamp) -> Steered [commands];
    reopen(space: &Space, batch: BatchId, selection: &Selection, dry_run: bool, by: &Actor, now: Timestamp) -> Reopened [commands];
    history(space: &Space, batch: BatchId) -> Vec<BatchEvent>;
}

pass! { DeadLetters if whatever:
    dead_letters(space: &Space, filter: &DeadFilter, limit: u32) -> Vec<DeadLetter>;
    dead_groups(space: &Space, filter: &DeadFilter, limit: u32) -> Vec<DeadGroup>;
    dead_batches(space: &Space, filter: &DeadFilter, limit: u32) -> Vec<(BatchId, u32)>;
    discard_dead(space: &Space, filter: &DeadFilter, limit: u32) -> u32;
}

pass! { Upkeep if whatever:
    expire_leases(limit: u32, now: Timestamp) -> Vec<Batch>;
    halted_batches(limit: u32) -> Vec<BatchId>;
    sweep(batch: BatchId, limit: u32, grace_since: Timestamp, now: Timestamp) -> Option<(Batch, u32)>;
    overdue_batches(limit: u32, now: Timestamp) -> Vec<(Space, BatchId)>;
    deleted_batches(limit: u32) -> Vec<(Space, BatchId)>;
    ended_batches(ended_before: Timestamp, limit: u32) -> Vec<(Space, BatchId)>;
    in_flight(known: &[Known], limit: u32) -> Vec<InFlight>;
    forget_keys(limit: u32, now: Timestamp) -> u32;
    resend(batch: BatchId, lost: &[Resend]) -> u32;
    purge(batch: BatchId, limit: u32) -> bool;
}

pass! { Expire if whatever:
    due_expiries(limit: u32, now: Timestamp) -> Vec<Expiry>;
    begin_expiry(batch: BatchId, part: Part, now: Timestamp) -> bool;
    expire_some(batch: BatchId, part: Part, limit: u32) -> Removed;
    end_expiry(batch: BatchId, part: Part) -> ();
    archived(batch: BatchId, revision: u32) -> bool;
}

pass! { FollowUps if whatever:
    pending_follow_ups(limit: u32) -> Vec<FollowUp>;
    follow_up_created(batch: BatchId, revision: u32, follow_up: BatchId) -> ();
    follow_up(space: &Space, batch: BatchId, revision: u32) -> Option<FollowUp>;
}

pass! { Reading if there:
    batch(space: &Space, id: BatchId) -> Option<Batch>;
    batches(space: &Space, filter: &BatchFilter, limit: u32) -> Vec<Batch>;
    batch_names(space: &Space, filter: &BatchFilter, limit: u32) -> Vec<BatchName>;
    batches_of(space: &Space, ids: &[BatchId]) -> Vec<Batch>;
    unfinished(after: Option<BatchId>, limit: u32) -> Vec<Batch>;
    finished(after: (Timestamp, BatchId), limit: u32) -> Vec<Batch>;
    items(space: &Space, batch: BatchId, filter: &ItemFilter, limit: u32) -> Vec<Item>;
    item_named(space: &Space, batch: BatchId, custom_id: &str) -> Option<ItemIndex>;
    skipped(space: &Space, batch: BatchId, after: Option<u32>, limit: u32) -> Vec<(u32, SkippedItem)>;
    tried(space: &Space, batch: BatchId, index: ItemIndex) -> Vec<Tried>;
    result(space: &Space, batch: BatchId, revision: Option<u32>) -> Option<BatchResult>;
    audit(space: &Space, batch: BatchId) -> Option<Audit>;
    supply(space: &Space, batch: BatchId, ceilings: &Ceilings, now: Timestamp) -> Option<(Supply, Vec<ScopeUse>)>;
}

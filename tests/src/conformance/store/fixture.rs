//! What the cases share: a store, a clock that they move, and short ways through the life of a batch.

use std::any::Any;
use std::sync::Arc;
use std::time::Duration;

use flotilla_core::attempt::Attempt;
use flotilla_core::batch::{Batch, BatchSpec, BatchState, Counts};
use flotilla_core::clock::{Clock, ManualClock, SystemClock};
use flotilla_core::command::{Actor, Command, Selection};
use flotilla_core::ids::{BatchId, Ids, ItemIndex, Space};
use flotilla_core::item::{Item, ItemFilter, NewItem};
use flotilla_core::limits::{Ceilings, Supply};
use flotilla_core::place::{Lease, Place};
use flotilla_core::ports::store::{Claim, NewBatch, Opened, Reopened, Steered, Store, Want};
use flotilla_core::result::BatchResult;
use jiff::{SignedDuration, Timestamp};

use super::samples::{indexes, inputs, spec, successes};

/// How long the claims of the cases last.
pub const LEASE: Duration = Duration::from_secs(30);

/// An empty store and what it takes to use it.
#[derive(Clone)]
pub struct Fixture {
    /// The store.
    pub store: Arc<dyn Store>,
    /// The tenant of the batches.
    pub space: Space,
    clock: Arc<ManualClock>,
    ids: Arc<Ids>,
    _guard: Arc<dyn Any + Send + Sync>,
}

impl Fixture {
    /// Over `store`, which lives no longer than `guard`.
    #[must_use]
    pub fn new(store: Arc<dyn Store>, guard: Box<dyn Any + Send + Sync>) -> Self {
        // Near the time of the machine: stores may compare with the time of their database.
        let clock = Arc::new(ManualClock::new(SystemClock.now()));
        let ids = Arc::new(Ids::seeded(Arc::<ManualClock>::clone(&clock), 1));
        Self {
            store,
            space: "suite".parse().expect("a valid name"),
            clock,
            ids,
            _guard: Arc::from(guard),
        }
    }

    /// The same for another tenant.
    #[must_use]
    pub fn in_space(&self, space: &str) -> Self {
        Self {
            space: space.parse().expect("a valid name"),
            ..self.clone()
        }
    }

    /// What the clock of the case shows.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Moves the clock of the case.
    pub fn advance(&self, by: Duration) {
        self.clock
            .advance(SignedDuration::try_from(by).expect("a short time"));
    }

    /// A batch to open, later than every one before.
    #[must_use]
    pub fn new_batch(&self) -> NewBatch {
        self.advance(Duration::from_millis(1));
        NewBatch {
            id: self.ids.batch(),
            space: self.space.clone(),
            idempotency_key: None,
            created_at: self.now(),
        }
    }

    /// An open batch with `items`.
    pub async fn uploaded(&self, items: Vec<NewItem>) -> BatchId {
        let new = self.new_batch();
        let id = new.id;
        assert_eq!(self.store.open_batch(new).await.expect("opens"), Opened::New);
        if !items.is_empty() {
            self.store.append_items(id, 0, items).await.expect("takes items");
        }
        id
    }

    /// A sealed batch of `total` items, with `change` made to what it is to do.
    pub async fn sealed_as(&self, total: u32, change: impl FnOnce(&mut BatchSpec)) -> BatchId {
        let id = self.uploaded(inputs(0..total)).await;
        let mut spec = spec();
        change(&mut spec);
        self.store.seal_batch(id, spec, self.now()).await.expect("seals");
        id
    }

    /// A sealed batch of `total` items.
    pub async fn sealed(&self, total: u32) -> BatchId {
        self.sealed_as(total, |_| ()).await
    }

    /// A batch of `total` items, all of them dispatched and published.
    pub async fn dispatched(&self, total: u32) -> BatchId {
        self.dispatched_as(total, |_| ()).await
    }

    /// The same with `change` made to what it is to do.
    pub async fn dispatched_as(&self, total: u32, change: impl FnOnce(&mut BatchSpec)) -> BatchId {
        let id = self.sealed_as(total, change).await;
        assert_eq!(self.sent(id, total).await.len(), total as usize);
        id
    }

    /// A batch of `total` items that ended as failed items, each with its own message of `messages`.
    pub async fn failed(&self, messages: &[&str]) -> BatchId {
        let id = self.dispatched(u32::try_from(messages.len()).expect("few")).await;
        let failures = (0..).zip(messages);
        self.record(
            failures
                .map(|(index, message)| super::samples::failure(id, index, message))
                .collect(),
        )
        .await;
        id
    }

    /// Claims up to `items` of one batch that may run beside others.
    pub async fn claim(&self, batch: BatchId, items: u32) -> Vec<Claim> {
        self.claim_of(batch, items, 0).await
    }

    /// Claims up to `items` of one batch that may run beside others, and up to `suspects` that may not.
    pub async fn claim_of(&self, batch: BatchId, items: u32, suspects: u32) -> Vec<Claim> {
        let want = Want {
            batch,
            items,
            suspects,
        };
        self.claim_within(&[want], &Ceilings::default()).await
    }

    /// Claims under ceilings.
    pub async fn claim_within(&self, wants: &[Want], ceilings: &Ceilings) -> Vec<Claim> {
        let claims = self.store.claim(wants, ceilings, LEASE, self.now());
        claims.await.expect("claims")
    }

    /// Claims and publishes: which items went out.
    pub async fn sent(&self, batch: BatchId, items: u32) -> Vec<ItemIndex> {
        let claims = self.claim(batch, items).await;
        self.publish(&claims).await;
        indexes(&claims)
    }

    /// Marks claims published.
    pub async fn publish(&self, claims: &[Claim]) {
        let ids: Vec<_> = claims.iter().map(|claim| claim.id).collect();
        self.store.mark_published(&ids).await.expect("marks published");
    }

    /// Takes over every claim whose lease is over.
    pub async fn take_over(&self) -> Vec<Claim> {
        self.store
            .take_over(LEASE, 1_000, self.now())
            .await
            .expect("takes over")
    }

    /// Makes what the broker lost due again.
    pub async fn redispatch(&self, batch: BatchId) -> u32 {
        self.store
            .redispatch_unsettled(batch, self.now())
            .await
            .expect("redispatches")
    }

    /// Records attempts.
    pub async fn record(&self, attempts: Vec<Attempt>) -> Vec<Batch> {
        self.store.record(attempts, self.now()).await.expect("records")
    }

    /// Lets every lease that is over fail its attempt.
    pub async fn expire_leases(&self) -> Vec<Batch> {
        let changed = self.store.expire_leases(1_000, self.now());
        changed.await.expect("expires leases")
    }

    /// Cancels items of a batch that is being cancelled; those in flight too.
    pub async fn sweep(&self, batch: BatchId, limit: u32) -> Option<(Batch, u32)> {
        let grace_since = self.now() + Duration::from_secs(1);
        let swept = self.store.sweep(batch, limit, grace_since, self.now());
        swept.await.expect("sweeps")
    }

    /// Does something to a batch, as somebody.
    pub async fn command(&self, batch: BatchId, command: &Command) -> Steered {
        let by = somebody();
        let done = self.store.command(&self.space, batch, command, &by, self.now());
        done.await.expect("answers a command")
    }

    /// Does something to a batch that must be done, and answers the batch.
    pub async fn done(&self, batch: BatchId, command: &Command) -> Batch {
        match self.command(batch, command).await {
            Steered::Done(batch) => *batch,
            other => panic!("{} was not done: {other:?}", command.name()),
        }
    }

    /// Lets ended items run again: how many, and the batch.
    pub async fn reopen(&self, batch: BatchId, selection: &Selection) -> (u32, Batch) {
        let (store, by) = (&self.store, somebody());
        let reopened = store.reopen(&self.space, batch, selection, false, &by, self.now());
        match reopened.await.expect("answers") {
            Reopened::Done(items, batch) => (items, *batch),
            other => panic!("nothing was reopened: {other:?}"),
        }
    }

    /// The batch, which must be there.
    pub async fn batch(&self, id: BatchId) -> Batch {
        let batch = self.store.batch(&self.space, id).await.expect("reads a batch");
        batch.expect("the batch is there")
    }

    /// Its state.
    pub async fn state(&self, id: BatchId) -> BatchState {
        self.batch(id).await.state
    }

    /// Its counts, which must add up.
    pub async fn counts(&self, id: BatchId) -> Counts {
        let counts = self.batch(id).await.counts;
        let sum = counts.pending + counts.queued + counts.retrying + counts.waiting + counts.settled();
        assert_eq!((sum, counts.processing), (counts.total, 0), "{counts:?}");
        counts
    }

    /// All items of a batch.
    pub async fn items(&self, id: BatchId) -> Vec<Item> {
        let all = ItemFilter::default();
        let items = self.store.items(&self.space, id, &all, 1_000_000).await;
        items.expect("reads items")
    }

    /// One item of a batch.
    pub async fn item(&self, id: BatchId, index: ItemIndex) -> Item {
        let mut items = self.items(id).await;
        items.swap_remove(index as usize)
    }

    /// Where an item is, which must exist.
    pub async fn place(&self, id: BatchId, index: ItemIndex) -> Place {
        self.place_and_lease(id, index).await.0
    }

    /// The lease of an item, which must have one.
    pub async fn lease(&self, id: BatchId, index: ItemIndex) -> Lease {
        let (place, lease) = self.place_and_lease(id, index).await;
        lease.unwrap_or_else(|| panic!("item {index} has no lease: {place:?}"))
    }

    /// Where an item is, which must exist, and its lease.
    pub async fn place_and_lease(&self, id: BatchId, index: ItemIndex) -> (Place, Option<Lease>) {
        let place = self.store.place(id, index).await.expect("reads a place");
        place.expect("the item is there")
    }

    /// The latest result of a batch.
    pub async fn result(&self, id: BatchId) -> Option<BatchResult> {
        let result = self.store.result(&self.space, id, None).await;
        result.expect("reads a result")
    }

    /// What may be dispatched of a batch.
    pub async fn supply(&self, id: BatchId) -> Supply {
        let none = Ceilings::default();
        let supply = self.store.supply(&self.space, id, &none, self.now()).await;
        let (supply, scopes) = supply.expect("reads the supply").expect("is there");
        assert_eq!(scopes, [], "there are no ceilings");
        supply
    }

    /// What there is to dispatch, oldest first.
    pub async fn active(&self, limit: u32) -> Vec<BatchId> {
        let none = Ceilings::default();
        let active = self.store.active_batches(limit, &none, self.now()).await;
        let batches = active.expect("reads what is active").batches;
        batches.into_iter().map(|batch| batch.id).collect()
    }

    /// Brings a batch to its end whatever happened to it before, and checks it.
    pub async fn finish(&self, id: BatchId) {
        for _ in 0..10_000 {
            match self.state(id).await {
                BatchState::Cancelling => {
                    self.sweep(id, 50).await;
                }
                BatchState::Paused => {
                    self.done(id, &Command::Resume).await;
                }
                BatchState::Open => {
                    self.done(id, &Command::Seal).await;
                }
                BatchState::Pending | BatchState::Processing => self.move_on(id).await,
                BatchState::Completed | BatchState::Failed | BatchState::Cancelled => {
                    return self.assert_consistent(id).await;
                }
            }
        }
        panic!("the batch does not end: {:?}", self.batch(id).await);
    }

    /// Time passes, and whatever can go out does and succeeds.
    async fn move_on(&self, id: BatchId) {
        self.advance(LEASE * 2);
        let mut claims = self.take_over().await;
        claims.retain(|claim| claim.batch == id);
        claims.extend(self.claim_of(id, 50, 50).await);
        self.publish(&claims).await;
        if claims.is_empty() && self.redispatch(id).await == 0 {
            self.command(id, &Command::Run { concurrency: None }).await;
            // Whatever it waits for.
            self.advance(Duration::from_secs(24 * 3_600));
            self.expire_leases().await;
        }
        self.record(successes(&claims)).await;
    }
}

/// Whoever steers the batches of the cases.
#[must_use]
pub fn somebody() -> Actor {
    "ann@example".parse().expect("a valid name")
}

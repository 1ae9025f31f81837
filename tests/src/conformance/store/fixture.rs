//! What the cases share: a store, a clock that they move, and short ways through the life of a batch.

use std::any::Any;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use flotilla_core::batch::{Batch, BatchSpec, BatchState, Counts};
use flotilla_core::clock::{Clock, ManualClock, SystemClock};
use flotilla_core::ids::{BatchId, Ids, Space};
use flotilla_core::item::{Item, ItemFilter, ItemState, NewItem};
use flotilla_core::outcome::Outcome;
use flotilla_core::ports::store::{Claim, NewBatch, Opened, Store, Want};
use jiff::{SignedDuration, Timestamp};

use super::samples::{indexes, inputs, spec, success};

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
        let id = self.sealed(total).await;
        let claims = self.claim(id, total).await;
        assert_eq!(indexes(&claims).len(), total as usize);
        self.publish(&claims).await;
        id
    }

    /// Claims up to `items` of one batch.
    pub async fn claim(&self, batch: BatchId, items: u32) -> Vec<Claim> {
        let wants = [Want { batch, items }];
        self.store.claim(&wants, LEASE, self.now()).await.expect("claims")
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

    /// Records outcomes.
    pub async fn record(&self, outcomes: Vec<Outcome>) -> Vec<Batch> {
        self.store.record(outcomes, self.now()).await.expect("records")
    }

    /// The batch, which must be there.
    pub async fn batch(&self, id: BatchId) -> Batch {
        let batch = self.store.batch(&self.space, id).await.expect("reads a batch");
        batch.expect("the batch is there")
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

    /// Promise P3: what the batch counts is what its rows say, and its result, if it has ended, says the same.
    pub async fn assert_consistent(&self, id: BatchId) {
        let (counts, batch) = (self.counts(id).await, self.batch(id).await);
        let mut rows = HashMap::<ItemState, u32>::new();
        for item in self.items(id).await {
            *rows.entry(item.state).or_default() += 1;
        }
        let of = |state| rows.get(&state).copied().unwrap_or(0);
        let from_rows = Counts {
            total: rows.values().sum(),
            pending: of(ItemState::Pending),
            queued: of(ItemState::Queued),
            processing: 0,
            retrying: of(ItemState::Retrying),
            waiting: of(ItemState::Waiting),
            succeeded: of(ItemState::Succeeded),
            failed: of(ItemState::Failed),
            cancelled: of(ItemState::Cancelled),
        };
        assert_eq!(counts, from_rows, "counts and rows");
        let done = counts.settled() == counts.total;
        assert_eq!(batch.state.is_final(), done, "{:?} with {counts:?}", batch.state);
        let result = self.store.result(&self.space, id).await.expect("reads a result");
        assert_eq!(result.is_some(), done, "there is a result exactly when it ended");
        if let Some(result) = result {
            let summary = &result.result_summary;
            let summed = (
                summary.total,
                summary.succeeded,
                summary.failed,
                summary.cancelled,
            );
            let counted = (counts.total, counts.succeeded, counts.failed, counts.cancelled);
            assert_eq!((result.revision, summed), (1, counted), "result and counts");
        }
    }

    /// Brings a batch to its end whatever happened to it before, and checks it.
    pub async fn finish(&self, id: BatchId) {
        for _ in 0..10_000 {
            if self.batch(id).await.state == BatchState::Completed {
                return self.assert_consistent(id).await;
            }
            self.advance(LEASE * 2);
            let mut claims = self.take_over().await;
            claims.retain(|claim| claim.batch == id);
            claims.extend(self.claim(id, 50).await);
            self.publish(&claims).await;
            if claims.is_empty() {
                self.redispatch(id).await;
            }
            self.record(indexes(&claims).into_iter().map(|i| success(id, i)).collect())
                .await;
        }
        panic!("the batch does not end: {:?}", self.batch(id).await);
    }
}

//! A scheduler over the embedded engine, with engines that fail when told to and a clock that is moved.

pub(crate) mod broker;
pub(crate) mod progress;
pub(crate) mod store;

use std::sync::Arc;
use std::time::Duration;

use flotilla_core::clock::ManualClock;
use flotilla_core::command::{Actor, Command};
use flotilla_core::item::NewItem;
use flotilla_core::message::{ItemMessage, ItemReport, Report, Verdict};
use flotilla_core::outcome::Output;
use flotilla_core::ports::broker::Topology;
use flotilla_core::ports::store::{Claim, ClaimedItem, NewBatch, Steered, Want};
use flotilla_core::ports::{Broker, Objects, Store};
use flotilla_core::shard::{DEFAULT_SHARDS, Shard};
use flotilla_core::snapshot::Snapshot;
use flotilla_core::trace::NoPropagation;
use flotilla_core::{
    Batch, BatchId, BatchSpec, Clock, Ids, Json, Pool, Shutdown, Space, SystemClock, Tasks, WorkerId,
};
use flotilla_scheduler::{Config, Deps};
use flotilla_sqlite::SqliteStore;
use flotilla_tests::eventually;
use futures_util::StreamExt;
use jiff::SignedDuration;

use self::broker::FlakyBroker;
use self::progress::Frail;
use self::store::FlakyStore;

/// For what must happen, however slow the machine is.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) struct World {
    pub(crate) deps: Deps,
    /// What `deps` have.
    pub(crate) store: Arc<dyn Store>,
    /// The same.
    pub(crate) flaky: Arc<FlakyStore>,
    pub(crate) broker: Arc<FlakyBroker>,
    pub(crate) live: Arc<Frail>,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) config: Config,
    ids: Ids,
    _folder: tempfile::TempDir,
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::with_broker(FlakyBroker::default()).await
    }

    pub(crate) async fn with_broker(broker: FlakyBroker) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(ManualClock::new(SystemClock.now()));
        let shared: Arc<dyn Clock> = Arc::<ManualClock>::clone(&clock);
        let store = SqliteStore::open(&folder.path().join("flotilla.db")).unwrap();
        store.migrate().await.unwrap();
        let (flaky, broker) = (Arc::new(FlakyStore::new(store)), Arc::new(broker));
        let store: Arc<dyn Store> = Arc::<FlakyStore>::clone(&flaky);
        let topology = Topology {
            pools: vec![Pool::default()],
            shards: DEFAULT_SHARDS,
        };
        broker.declare(&topology).await.unwrap();
        let live = Arc::new(Frail::new(Arc::clone(&shared)));
        let deps = Deps {
            store: Arc::clone(&store),
            broker: Arc::<FlakyBroker>::clone(&broker),
            progress: Arc::<Frail>::clone(&live),
            objects: Objects::new(Arc::new(object_store::memory::InMemory::new())),
            clock: Arc::clone(&shared),
            trace: Arc::new(NoPropagation),
        };
        Self {
            deps,
            store,
            flaky,
            broker,
            live,
            clock,
            config: Config::default(),
            ids: Ids::new(shared),
            _folder: folder,
        }
    }

    pub(crate) fn advance(&self, by: Duration) {
        self.clock.advance(SignedDuration::try_from(by).unwrap());
    }

    /// An open batch with `items` items.
    pub(crate) async fn upload(&self, items: u32) -> BatchId {
        self.advance(Duration::from_millis(1));
        let id = self.ids.batch();
        let new = NewBatch {
            id,
            space: Space::default(),
            idempotency_key: None,
            created_at: self.clock.now(),
        };
        self.store.open_batch(new).await.unwrap();
        let all = (0..items).map(|n| NewItem {
            custom_id: None,
            input: Json::parse(n.to_string()).unwrap(),
        });
        self.store.append_items(id, 0, all.collect()).await.unwrap();
        id
    }

    /// A sealed batch.
    pub(crate) async fn sealed(&self, items: u32, spec: BatchSpec) -> BatchId {
        let id = self.upload(items).await;
        self.store.seal_batch(id, spec, self.clock.now()).await.unwrap();
        id
    }

    /// Claims items of a batch and marks them published: their messages.
    pub(crate) async fn dispatch(&self, batch: BatchId, items: u32) -> Vec<ItemMessage> {
        let want = Want {
            batch,
            items,
            suspects: 0,
        };
        let claims = self
            .store
            .claim(
                &[want],
                &flotilla_core::limits::Ceilings::default(),
                PATIENCE,
                self.clock.now(),
            )
            .await
            .unwrap();
        let claimed: Vec<_> = claims.iter().map(|claim| claim.id).collect();
        self.store.mark_published(&claimed).await.unwrap();
        claims.into_iter().flat_map(messages).collect()
    }

    /// A sealed batch of which every item is dispatched: its messages.
    pub(crate) async fn dispatched(&self, items: u32) -> Vec<ItemMessage> {
        let id = self.sealed(items, spec()).await;
        self.dispatch(id, items).await
    }

    /// Has workers give all of `messages` up.
    pub(crate) async fn give_up(&self, messages: Vec<ItemMessage>) {
        let count = messages.len();
        self.broker.publish_items(&messages).await.unwrap();
        let mut work = self.broker.consume_items(&Pool::default(), 100).await.unwrap();
        for _ in 0..count {
            let delivery = work.deliveries.next().await.unwrap();
            work.settle.reject(vec![delivery.tag]).await.unwrap();
        }
    }

    pub(crate) async fn command(&self, batch: BatchId, command: Command) -> Batch {
        let by: Actor = "ann@host".parse().unwrap();
        let steered = self
            .store
            .command(&Space::default(), batch, &command, &by, self.clock.now())
            .await
            .unwrap();
        match steered {
            Steered::Done(batch) => *batch,
            other => panic!("{command:?}: {other:?}"),
        }
    }

    pub(crate) async fn report(&self, report: &Report) {
        let shard = Shard::of(report.items[0].batch, DEFAULT_SHARDS);
        self.broker.publish_report(shard, report).await.unwrap();
    }

    /// Records what a worker says, without a scheduler.
    pub(crate) async fn record(&self, report: Report) {
        let attempts = report
            .items
            .into_iter()
            .map(|item| item.into_attempt(report.worker.clone()));
        self.store
            .record(attempts.collect(), self.clock.now())
            .await
            .unwrap();
    }

    pub(crate) async fn batch(&self, id: BatchId) -> Option<Batch> {
        self.store.batch(&Space::default(), id).await.unwrap()
    }

    pub(crate) async fn ended(&self, id: BatchId) -> Batch {
        eventually("the batch to end", PATIENCE, || async {
            self.batch(id).await.filter(|batch| batch.state.is_final())
        })
        .await
    }

    pub(crate) async fn shown(&self, id: BatchId) -> Option<Snapshot> {
        let read = self.deps.progress.read(&[id]).await.unwrap();
        read.into_iter().flatten().next()
    }

    pub(crate) fn start(&self) -> Tasks {
        let tasks = Tasks::new(Shutdown::new());
        let (deps, shutdown) = (self.deps.clone(), tasks.shutdown().clone());
        tasks.spawn(
            "scheduler",
            flotilla_scheduler::run(deps, self.config.clone(), shutdown),
        );
        tasks
    }
}

pub(crate) async fn stop(tasks: Tasks) {
    tasks.shutdown().drain();
    tasks.finish(PATIENCE).await.unwrap();
}

pub(crate) fn spec() -> BatchSpec {
    BatchSpec {
        job_type: "echo".into(),
        ..BatchSpec::default()
    }
}

fn messages(claim: Claim) -> impl Iterator<Item = ItemMessage> {
    let message = move |item: ClaimedItem| ItemMessage {
        batch: claim.batch,
        index: item.index,
        attempt: item.attempt,
        max_attempts: item.last_attempt,
        timeout: PATIENCE,
        space: claim.space.clone(),
        job_type: claim.spec.job_type.clone(),
        pool: Pool::default(),
        traceparent: None,
        epoch: claim.epoch,
        isolated: item.isolated,
        callback: None,
        input: item.input,
    };
    claim.items.into_iter().map(message)
}

/// What a worker says about `messages`.
pub(crate) fn report(messages: &[ItemMessage], verdict: impl Fn(&ItemMessage) -> Verdict) -> Report {
    let item = |message: &ItemMessage| ItemReport {
        batch: message.batch,
        index: message.index,
        attempt: message.attempt,
        verdict: verdict(message),
        started_at: jiff::Timestamp::UNIX_EPOCH,
        duration_us: 1_000,
        traceparent: None,
        artifacts: Vec::new(),
    };
    Report::of_items(WorkerId("w".into()), messages.iter().map(item).collect())
}

/// Success, with the input as output.
pub(crate) fn done(message: &ItemMessage) -> Verdict {
    Verdict::Done(Output::Inline(message.input.clone()))
}

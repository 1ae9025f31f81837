//! The scheduler over the embedded engine: what it counts, and what it repairs.

#![cfg(test)]

use std::sync::Arc;
use std::time::Duration;

use flotilla_core::item::{ItemFilter, NewItem};
use flotilla_core::message::{ItemMessage, ItemReport, Report, Verdict};
use flotilla_core::outcome::{ItemErrorKind, Output};
use flotilla_core::ports::broker::Topology;
use flotilla_core::ports::store::{NewBatch, Want};
use flotilla_core::ports::{Broker, Store};
use flotilla_core::shard::{DEFAULT_SHARDS, Shard};
use flotilla_core::trace::NoPropagation;
use flotilla_core::{
    Batch, BatchId, BatchSpec, BatchState, Clock, Ids, Json, Pool, Shutdown, Space, SystemClock, Tasks,
    WorkerId,
};
use flotilla_embedded::broker::{BrokerOptions, EmbeddedBroker};
use flotilla_embedded::progress::EmbeddedProgress;
use flotilla_scheduler::reconcile::{AbandonedUploads, StaleProgress, Task};
use flotilla_scheduler::{Config, Deps, RunningItems};
use flotilla_sqlite::SqliteStore;
use flotilla_tests::eventually;
use futures_util::StreamExt;
use jiff::Timestamp;

const PATIENCE: Duration = Duration::from_secs(30);

struct World {
    deps: Deps,
    ids: Ids,
    _folder: tempfile::TempDir,
}

impl World {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let store = SqliteStore::open(&folder.path().join("flotilla.db")).unwrap();
        store.migrate().await.unwrap();
        let broker = EmbeddedBroker::new(BrokerOptions::default());
        let topology = Topology {
            pools: vec![Pool::default()],
            shards: DEFAULT_SHARDS,
        };
        broker.declare(&topology).await.unwrap();
        let deps = Deps {
            store: Arc::new(store),
            broker: Arc::new(broker),
            progress: Arc::new(EmbeddedProgress::new(Arc::clone(&clock))),
            clock: Arc::clone(&clock),
            trace: Arc::new(NoPropagation),
        };
        Self {
            deps,
            ids: Ids::new(clock),
            _folder: folder,
        }
    }

    /// An open batch with `items` items.
    async fn upload(&self, items: u32) -> BatchId {
        let id = self.ids.batch();
        let new = NewBatch {
            id,
            space: Space::default(),
            idempotency_key: None,
            created_at: self.deps.clock.now(),
        };
        self.deps.store.open_batch(new).await.unwrap();
        let all = (0..items).map(|n| NewItem {
            custom_id: None,
            input: Json::parse(n.to_string()).unwrap(),
        });
        self.deps.store.append_items(id, 0, all.collect()).await.unwrap();
        id
    }

    /// A sealed batch of which every item is dispatched: its messages.
    async fn dispatched(&self, items: u32) -> Vec<ItemMessage> {
        let id = self.upload(items).await;
        let spec = BatchSpec {
            job_type: "echo".into(),
            ..BatchSpec::default()
        };
        let now = self.deps.clock.now();
        self.deps.store.seal_batch(id, spec, now).await.unwrap();
        let claims = self
            .deps
            .store
            .claim(&[Want { batch: id, items }], PATIENCE, now)
            .await
            .unwrap();
        let claimed: Vec<_> = claims.iter().map(|claim| claim.id).collect();
        self.deps.store.mark_published(&claimed).await.unwrap();
        let claim = claims.into_iter().next().expect("a claim");
        let message = |item: flotilla_core::ports::store::ClaimedItem| ItemMessage {
            batch: id,
            index: item.index,
            attempt: item.attempt,
            max_attempts: 1,
            timeout: PATIENCE,
            space: Space::default(),
            job_type: "echo".into(),
            pool: Pool::default(),
            traceparent: None,
            input: item.input,
        };
        claim.items.into_iter().map(message).collect()
    }

    async fn batch(&self, id: BatchId) -> Option<Batch> {
        self.deps.store.batch(&Space::default(), id).await.unwrap()
    }

    async fn ended(&self, id: BatchId) -> Batch {
        eventually("the batch to end", PATIENCE, || async {
            self.batch(id).await.filter(|batch| batch.state.is_final())
        })
        .await
    }

    fn start(&self) -> Tasks {
        let tasks = Tasks::new(Shutdown::new());
        let (deps, shutdown) = (self.deps.clone(), tasks.shutdown().clone());
        tasks.spawn(
            "scheduler",
            flotilla_scheduler::run(deps, Config::default(), shutdown),
        );
        tasks
    }
}

async fn stop(tasks: Tasks) {
    tasks.shutdown().drain();
    tasks.finish(PATIENCE).await.unwrap();
}

fn report(messages: &[ItemMessage]) -> Report {
    let done = |message: &ItemMessage| ItemReport {
        batch: message.batch,
        index: message.index,
        attempt: message.attempt,
        verdict: Verdict::Done(Output::Inline(message.input.clone())),
        started_at: Timestamp::UNIX_EPOCH,
        duration_us: 1_000,
        traceparent: None,
    };
    Report::of_items(WorkerId("w".into()), messages.iter().map(done).collect())
}

/// Every report comes three times, and in pieces that overlap.
#[tokio::test]
async fn repeated_reports_are_counted_once() {
    let world = World::new().await;
    let messages = world.dispatched(100).await;
    let id = messages[0].batch;
    let tasks = world.start();
    let shard = Shard::of(id, DEFAULT_SHARDS);
    for part in [&messages[..60], &messages[40..], &messages[..], &messages[..60]] {
        world
            .deps
            .broker
            .publish_report(shard, &report(part))
            .await
            .unwrap();
    }
    let batch = world.ended(id).await;
    assert_eq!(
        (batch.state, batch.counts.succeeded),
        (BatchState::Completed, 100)
    );
    let result = world
        .deps
        .store
        .result(&Space::default(), id)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        (result.result_summary.succeeded, result.result_summary.attempts),
        (100, 100)
    );
    let shown = eventually("the last snapshot", PATIENCE, || async {
        let read = world.deps.progress.read(&[id]).await.unwrap();
        read.into_iter()
            .flatten()
            .find(|snapshot| snapshot.state.is_final())
    })
    .await;
    assert_eq!(shown.counts, batch.counts);
    stop(tasks).await;
}

/// What a scheduler was given before it stops is counted: with this broker nobody would deliver it again.
#[tokio::test]
async fn a_shutdown_counts_what_was_reported() {
    let world = World::new().await;
    let messages = world.dispatched(50).await;
    let id = messages[0].batch;
    let tasks = world.start();
    eventually("the scheduler to consume", PATIENCE, || async {
        let queue = flotilla_core::ports::broker::Queue::Reports(Shard::of(id, DEFAULT_SHARDS));
        (world.deps.broker.depth(&queue).await.unwrap().consumers > 0).then_some(())
    })
    .await;
    for message in &messages {
        let report = report(std::slice::from_ref(message));
        world
            .deps
            .broker
            .publish_report(Shard::of(id, DEFAULT_SHARDS), &report)
            .await
            .unwrap();
    }
    eventually("every report to be taken", PATIENCE, || async {
        let queue = flotilla_core::ports::broker::Queue::Reports(Shard::of(id, DEFAULT_SHARDS));
        (world.deps.broker.depth(&queue).await.unwrap().ready == 0).then_some(())
    })
    .await;
    stop(tasks).await;
    assert_eq!(world.batch(id).await.unwrap().counts.succeeded, 50);
}

/// No batch waits for an item that nobody can finish.
#[tokio::test]
async fn dead_letters_fail_their_items() {
    let world = World::new().await;
    let messages = world.dispatched(3).await;
    let id = messages[0].batch;
    world.deps.broker.publish_items(messages).await.unwrap();
    let mut work = world
        .deps
        .broker
        .consume_items(&Pool::default(), 10)
        .await
        .unwrap();
    for _ in 0..3 {
        let delivery = work.deliveries.next().await.unwrap();
        work.settle.reject(vec![delivery.tag]).await.unwrap();
    }
    let tasks = world.start();
    let batch = world.ended(id).await;
    assert_eq!((batch.state, batch.counts.failed), (BatchState::Completed, 3));
    let items = world
        .deps
        .store
        .items(&Space::default(), id, &ItemFilter::default(), 10)
        .await
        .unwrap();
    assert!(
        items
            .iter()
            .all(|item| item.error.as_ref().unwrap().kind == ItemErrorKind::WorkerLost)
    );
    stop(tasks).await;
}

#[tokio::test]
async fn only_silent_uploads_are_removed() {
    let world = World::new().await;
    let (open, sealed) = (world.upload(10).await, world.dispatched(1).await[0].batch);
    let patient = AbandonedUploads::new(&world.deps, Duration::from_secs(3600))
        .run_once()
        .await
        .unwrap();
    assert_eq!(patient, 0);
    assert!(world.batch(open).await.is_some());
    let removed = eventually("the upload to be removed", PATIENCE, || async {
        let removed = AbandonedUploads::new(&world.deps, Duration::ZERO)
            .run_once()
            .await
            .unwrap();
        (removed > 0).then_some(removed)
    })
    .await;
    assert_eq!(removed, 1);
    assert!(world.batch(open).await.is_none());
    assert!(world.batch(sealed).await.is_some());
}

/// The live view is lost: batches that run and batches that ended a moment ago are shown again, and nothing is written
/// when nothing changed.
#[tokio::test]
async fn a_lost_live_view_is_written_again() {
    let mut world = World::new().await;
    let running = world.dispatched(2).await[0].batch;
    let ended = world.dispatched(1).await;
    let outcomes = report(&ended)
        .items
        .into_iter()
        .map(|item| item.into_outcome(WorkerId("w".into())));
    world
        .deps
        .store
        .record(outcomes.collect(), world.deps.clock.now())
        .await
        .unwrap();

    let mut task = StaleProgress::new(&world.deps, &RunningItems::default());
    assert_eq!(task.run_once().await.unwrap(), 2);
    assert_eq!(task.run_once().await.unwrap(), 0, "nothing changed");

    world.deps.progress = Arc::new(EmbeddedProgress::new(Arc::clone(&world.deps.clock)));
    let mut task = StaleProgress::new(&world.deps, &RunningItems::default());
    assert_eq!(task.run_once().await.unwrap(), 2);
    let read = world
        .deps
        .progress
        .read(&[running, ended[0].batch])
        .await
        .unwrap();
    let states: Vec<_> = read.into_iter().map(|snapshot| snapshot.unwrap().state).collect();
    assert_eq!(states, [BatchState::Processing, BatchState::Completed]);
}

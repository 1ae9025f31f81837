//! A worker over an embedded broker, and the scheduler's end of its reports.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use flotilla_core::message::{ItemMessage, ItemReport, Report, Verdict};
use flotilla_core::ports::broker::{Broker, Queue, Topology};
use flotilla_core::ports::{Objects, Progress};
use flotilla_core::shard::Shard;
use flotilla_core::worker::WorkerStatus;
use flotilla_core::{
    BatchId, Error, Json, NoPropagation, Pool, Propagator, Shutdown, SystemClock, Tasks, WorkerId,
};
use flotilla_worker::{Config, Deps, Handler, ItemContext, Registry};
use futures_util::StreamExt;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

use super::broker::{SUSPECT, Watched};
use super::progress::Board;

pub(crate) const SHARDS: u16 = 2;

/// Everything around one worker.
pub(crate) struct Fleet {
    pub(crate) broker: Arc<Watched>,
    pub(crate) progress: Arc<Board>,
    pub(crate) objects: Objects,
    pub(crate) probe: Arc<Probe>,
    pub(crate) shutdown: Shutdown,
    pub(crate) trace: Arc<dyn Propagator>,
    seen: Arc<Mutex<Vec<(Shard, Report)>>>,
    tasks: Tasks,
}

impl Fleet {
    /// With two pools and a listener to all reports.
    pub(crate) async fn new() -> Self {
        let pools = vec![pool("default"), pool("gpu")];
        let broker = Watched::new(&Topology {
            pools,
            shards: SHARDS,
        })
        .await;
        let fleet = Self {
            broker,
            progress: Board::new(),
            objects: Objects::new(Arc::new(object_store::memory::InMemory::new())),
            probe: Arc::default(),
            shutdown: Shutdown::new(),
            trace: Arc::new(NoPropagation),
            seen: Arc::default(),
            tasks: Tasks::new(Shutdown::new()),
        };
        for shard in Shard::all(SHARDS) {
            let mut reports = fleet.broker.consume_reports(shard, 1_000).await.unwrap();
            let seen = Arc::clone(&fleet.seen);
            fleet.tasks.spawn("reports", async move {
                while let Some(delivery) = reports.deliveries.next().await {
                    seen.lock().unwrap().push((shard, delivery.message.unwrap()));
                    reports.settle.ack(vec![delivery.tag]).await.unwrap();
                }
            });
        }
        fleet
    }

    /// Settings that tests change a little.
    pub(crate) fn config(&self) -> Config {
        Config {
            pools: vec![pool("default"), pool("gpu")],
            concurrency: 4,
            shards: SHARDS,
            handlers: Registry::default()
                .with("probe", Arc::clone(&self.probe) as Arc<dyn Handler>)
                .with(SUSPECT, Arc::clone(&self.probe) as Arc<dyn Handler>),
            heartbeat: Duration::from_millis(20),
            elsewhere_after: None,
            ..Config::default()
        }
    }

    /// Runs a worker in the background.
    pub(crate) fn start(&self, config: Config) -> JoinHandle<Option<Result<(), Error>>> {
        let deps = Deps {
            broker: Arc::clone(&self.broker) as Arc<dyn Broker>,
            progress: Arc::clone(&self.progress) as Arc<dyn Progress>,
            objects: self.objects.clone(),
            clock: Arc::new(SystemClock),
            trace: Arc::clone(&self.trace),
            id: WorkerId("w-1".into()),
        };
        self.tasks.spawn(
            "worker",
            flotilla_worker::run(deps, config, self.shutdown.clone()),
        )
    }

    /// Drains a worker that was started, and waits for its end.
    pub(crate) async fn stop(&self, worker: JoinHandle<Option<Result<(), Error>>>) {
        self.shutdown.drain();
        ended(worker).await;
    }

    /// Tells the worker to drain, or to work again.
    pub(crate) async fn tell_to_drain(&self, drain: bool) {
        let worker = WorkerId("w-1".into());
        self.progress.tell_to_drain(&worker, drain).await.unwrap();
    }

    pub(crate) async fn publish(&self, items: Vec<ItemMessage>) {
        self.broker.publish_items(&items).await.unwrap();
    }

    /// Outcomes reported so far, with the shard that they came over.
    pub(crate) fn outcomes(&self) -> Vec<(Shard, ItemReport)> {
        let seen = self.seen.lock().unwrap();
        let all = seen
            .iter()
            .flat_map(|(shard, report)| report.items.iter().map(|item| (*shard, item.clone())));
        all.collect()
    }

    /// The verdicts on items so far, by index, in the order in which they were reported.
    pub(crate) fn verdicts(&self) -> Vec<(u32, Verdict)> {
        let outcomes = self.outcomes().into_iter();
        outcomes.map(|(_, one)| (one.index, one.verdict)).collect()
    }

    /// Waits until there are so many verdicts.
    pub(crate) async fn judged(&self, verdicts: usize) -> Vec<(u32, Verdict)> {
        super::eventually("items to be reported", || {
            let seen = self.verdicts();
            (seen.len() >= verdicts).then_some(seen)
        })
        .await
    }

    /// Heartbeats so far.
    pub(crate) fn heartbeats(&self) -> Vec<(Shard, WorkerStatus)> {
        let seen = self.seen.lock().unwrap();
        let all = seen
            .iter()
            .filter_map(|(shard, report)| Some((*shard, report.heartbeat.clone()?)));
        all.collect()
    }

    /// Waits until so many items run or have run.
    pub(crate) async fn started(&self, items: usize) {
        super::eventually("items to run", || (self.probe.started() >= items).then_some(())).await;
    }

    /// Messages that wait in the work queue of the default pool.
    pub(crate) async fn ready(&self) -> u32 {
        self.broker
            .depth(&Queue::Work(Pool::default()))
            .await
            .unwrap()
            .ready
    }
}

/// Waits until a worker has ended, well and in time.
pub(crate) async fn ended(worker: JoinHandle<Option<Result<(), Error>>>) {
    let ended = tokio::time::timeout(super::PATIENCE, worker).await;
    ended.expect("the worker did not end").unwrap().unwrap().unwrap();
}

pub(crate) fn pool(name: &str) -> Pool {
    name.parse().unwrap()
}

/// An item for the default pool.
pub(crate) fn item(batch: u128, index: u32, job_type: &str, input: &str) -> ItemMessage {
    ItemMessage {
        batch: BatchId(uuid::Uuid::from_u128(batch)),
        job_type: job_type.into(),
        ..super::message(index, input, super::PATIENCE)
    }
}

/// A handler that waits for permission, and knows who is in it.
pub(crate) struct Probe {
    pub(crate) permission: Semaphore,
    pub(crate) started: AtomicUsize,
    inside: AtomicUsize,
    pub(crate) most_inside: AtomicUsize,
}

impl Default for Probe {
    fn default() -> Self {
        Self {
            permission: Semaphore::new(0),
            started: AtomicUsize::default(),
            inside: AtomicUsize::default(),
            most_inside: AtomicUsize::default(),
        }
    }
}

impl Probe {
    /// Lets all of them through, now and later.
    pub(crate) fn permit_all(&self) {
        self.permission.add_permits(1_000_000);
    }

    pub(crate) fn started(&self) -> usize {
        self.started.load(Ordering::SeqCst)
    }
}

#[async_trait]
impl Handler for Probe {
    async fn handle(&self, _item: &ItemContext, input: &Json) -> Verdict {
        let inside = self.inside.fetch_add(1, Ordering::SeqCst) + 1;
        self.most_inside.fetch_max(inside, Ordering::SeqCst);
        self.started.fetch_add(1, Ordering::SeqCst);
        self.permission.acquire().await.unwrap().forget();
        tokio::task::yield_now().await;
        self.inside.fetch_sub(1, Ordering::SeqCst);
        Ok(input.clone()).into()
    }
}

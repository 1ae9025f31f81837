//! Two handles on one engine, and things to put into it.

use std::any::Any;
use std::sync::Arc;
use std::time::Duration;

use flotilla_core::batch::Counts;
use flotilla_core::forecast::Eta;
use flotilla_core::ports::Progress;
use flotilla_core::ports::progress::{Heard, Scope};
use flotilla_core::snapshot::{Event, Snapshot, Steering};
use flotilla_core::worker::{Doing, Holding, Running, WorkerStatus};
use flotilla_core::{BatchId, BatchState, Ids, Space, SystemClock, WorkerId};
use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use jiff::Timestamp;
use tokio::time::timeout;

/// The most that anything may take that is expected to happen at once.
pub const SOON: Duration = Duration::from_secs(10);

/// An empty engine.
pub struct Fixture {
    /// One handle.
    pub writer: Arc<dyn Progress>,
    /// Another handle on the same engine, where it can have two: as another process has.
    pub reader: Arc<dyn Progress>,
    _guard: Box<dyn Any + Send + Sync>,
}

impl Fixture {
    /// Over two handles. `guard` keeps alive what they need.
    #[must_use]
    pub fn new(writer: Arc<dyn Progress>, reader: Arc<dyn Progress>, guard: impl Any + Send + Sync) -> Self {
        Self {
            writer,
            reader,
            _guard: Box::new(guard),
        }
    }

    /// Publishes one snapshot.
    pub async fn publish(&self, snapshot: &Snapshot) {
        self.writer
            .publish(std::slice::from_ref(snapshot))
            .await
            .expect("a snapshot is published");
    }

    /// Reads one snapshot.
    pub async fn read(&self, batch: BatchId) -> Option<Snapshot> {
        let mut found = self.reader.read(&[batch]).await.expect("snapshots are read");
        assert_eq!(found.len(), 1);
        found.remove(0)
    }

    /// What workers would know of one batch.
    pub async fn steering(&self, batch: BatchId) -> Option<Steering> {
        let mut found = self.reader.steering(&[batch]).await.expect("batches are steered");
        assert_eq!(found.len(), 1);
        found.remove(0)
    }

    /// Forgets a batch.
    pub async fn forget(&self, snapshot: &Snapshot) {
        let forgotten = self.writer.forget(&snapshot.space, snapshot.batch).await;
        forgotten.expect("a batch is forgotten");
    }

    /// The active batches of a space.
    pub async fn active(&self, space: &Space) -> Vec<BatchId> {
        self.reader
            .active(space)
            .await
            .expect("active batches are listed")
    }

    /// Subscribes on the handle that does not write.
    pub async fn subscribe(&self, scope: Scope) -> BoxStream<'static, Heard> {
        self.reader
            .subscribe(scope)
            .await
            .expect("a subscription is made")
    }
}

/// A new batch of the default space that runs, with every field set that it can have.
#[must_use]
pub fn running() -> Snapshot {
    Snapshot {
        batch: Ids::new(Arc::new(SystemClock)).batch(),
        space: Space::default(),
        name: Some("nightly".into()),
        job_type: "thumbnail".into(),
        state: BatchState::Processing,
        counts: Counts {
            total: 1000,
            pending: 400,
            queued: 100,
            processing: 50,
            retrying: 20,
            waiting: 5,
            succeeded: 400,
            failed: 15,
            cancelled: 10,
        },
        percent: 42.5,
        rate_per_s: 12.25,
        eta: Some(Eta {
            low_s: 40.1,
            high_s: 60.0,
        }),
        epoch: 3,
        version: 7,
        created_at: at(0),
        started_at: Some(at(1)),
        completed_at: None,
        updated_at: at(2),
    }
}

/// The same batch, ended.
#[must_use]
pub fn ended(mut snapshot: Snapshot, state: BatchState) -> Snapshot {
    assert!(state.is_final());
    snapshot.version += 1;
    snapshot.state = state;
    snapshot.eta = None;
    snapshot.completed_at = Some(at(3));
    snapshot
}

/// The same batch at another version.
#[must_use]
pub fn version(snapshot: &Snapshot, version: u64) -> Snapshot {
    Snapshot {
        version,
        ..snapshot.clone()
    }
}

/// A worker that runs items of one batch.
#[must_use]
pub fn worker(id: &str) -> WorkerStatus {
    let batch = running().batch;
    WorkerStatus {
        id: WorkerId(id.into()),
        pools: vec!["default".parse().expect("a pool"), "gpu".parse().expect("a pool")],
        concurrency: 16,
        running: vec![Running { batch, items: 3 }],
        held: 20,
        holding: Some(vec![Holding {
            batch,
            items: vec![(3, 12), (41, 41), (60, 68)],
        }]),
        doing: vec![Doing {
            batch,
            index: 41,
            attempt: 2,
            job_type: "thumbnail \"large\"".into(),
            since: at(4),
        }],
        draining: true,
        started_at: at(0),
        seen_at: at(5),
        version: "0.1.0".into(),
    }
}

/// Some seconds into the story that every case tells.
#[must_use]
pub fn at(seconds: i64) -> Timestamp {
    Timestamp::from_microsecond(1_700_000_000_123_456 + seconds * 1_000_000).expect("a time of this century")
}

/// The next event.
pub async fn next(events: &mut BoxStream<'static, Heard>) -> Event {
    let next = async {
        loop {
            match events.next().await.expect("a subscription does not end") {
                Heard::Event(event) => return event,
                // It may be about anything.
                Heard::Missed => {}
            }
        }
    };
    timeout(SOON, next).await.expect("an event arrives soon")
}

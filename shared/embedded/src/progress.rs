//! The live view in process memory: the adapter of [`flotilla_core::ports::Progress`] for a program that is alone.
//!
//! `board` decides, pure; here are the lock and the events. Like every live view it may lose everything: a restart
//! begins empty, and the next snapshots fill it.

mod board;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use flotilla_core::ports::Progress;
use flotilla_core::ports::progress::{Heard, Incarnation, Scope};
use flotilla_core::snapshot::{Event, Snapshot, Steering};
use flotilla_core::worker::WorkerStatus;
use flotilla_core::{BatchId, Clock, Result, Space, WorkerId};
use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use tokio::sync::broadcast;
use tokio_stream::wrappers::BroadcastStream;

use self::board::Board;

pub use self::board::MAX_FINAL;

/// Events that a subscriber may be behind before it misses some.
const BUFFER: usize = 1024;

/// Progress in the memory of this process.
#[derive(Debug)]
pub struct EmbeddedProgress {
    clock: Arc<dyn Clock>,
    incarnation: Incarnation,
    board: Mutex<Board>,
    events: broadcast::Sender<Event>,
}

impl EmbeddedProgress {
    /// Nothing known yet.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            clock,
            incarnation: Incarnation::random(),
            board: Mutex::default(),
            events: broadcast::Sender::new(BUFFER),
        }
    }

    fn board(&self) -> MutexGuard<'_, Board> {
        self.board.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Progress for EmbeddedProgress {
    async fn publish(&self, snapshots: &[Snapshot]) -> Result<()> {
        let now = self.clock.now();
        let mut board = self.board();
        for snapshot in snapshots {
            if board.write(snapshot, now) {
                // Under the lock, so that events come in the order of versions. An error means that nobody listens.
                let _ = self.events.send(snapshot.event());
            }
        }
        Ok(())
    }

    async fn read(&self, batches: &[BatchId]) -> Result<Vec<Option<Snapshot>>> {
        let board = self.board();
        Ok(batches.iter().map(|batch| board.read(*batch).cloned()).collect())
    }

    async fn steering(&self, batches: &[BatchId]) -> Result<Vec<Option<Steering>>> {
        let now = self.clock.now();
        let board = self.board();
        Ok(batches.iter().map(|batch| board.steering(*batch, now)).collect())
    }

    async fn forget(&self, _: &Space, batch: BatchId) -> Result<()> {
        self.board().forget(batch, self.clock.now());
        Ok(())
    }

    async fn active(&self, space: &Space) -> Result<Vec<BatchId>> {
        Ok(self.board().active(space))
    }

    async fn subscribe(&self, scope: Scope) -> Result<BoxStream<'static, Heard>> {
        let events = BroadcastStream::new(self.events.subscribe());
        let wanted = events.filter_map(move |event| {
            // An error says how many events were missed, of whichever space.
            let heard = event.map_or(Some(Heard::Missed), |event| scope.heard(event));
            std::future::ready(heard)
        });
        Ok(wanted.boxed())
    }

    async fn heartbeat(&self, worker: &WorkerStatus, ttl: Duration) -> Result<()> {
        self.board().note(worker, ttl, self.clock.now());
        Ok(())
    }

    async fn workers(&self) -> Result<Vec<WorkerStatus>> {
        Ok(self.board().workers(self.clock.now()))
    }

    async fn tell_to_drain(&self, worker: &WorkerId, drain: bool) -> Result<()> {
        self.board().tell_to_drain(worker, drain, self.clock.now());
        Ok(())
    }

    async fn told_to_drain(&self, workers: &[WorkerId]) -> Result<Vec<bool>> {
        Ok(self.board().told_to_drain(workers, self.clock.now()))
    }

    async fn incarnation(&self) -> Result<Incarnation> {
        Ok(self.incarnation)
    }

    async fn ping(&self) -> Result<()> {
        Ok(())
    }
}

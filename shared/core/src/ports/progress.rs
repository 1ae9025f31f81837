//! The port to the live view: a disposable projection of the store, and the wake-up channel.

use std::fmt;
use std::num::ParseIntError;
use std::str::FromStr;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::stream::BoxStream;

use crate::error::Result;
use crate::ids::{BatchId, Space, WorkerId};
use crate::snapshot::{Event, Snapshot, Steering};
use crate::worker::WorkerStatus;

/// Holds the latest [`Snapshot`] of each batch and tells watchers that it changed. Losing all of it loses nothing: the
/// next snapshot is absolute.
#[async_trait]
pub trait Progress: Send + Sync {
    /// Writes snapshots, each unless a later version is there already, and sends an event for each one that differs from
    /// what was there in more than `updated_at`.
    async fn publish(&self, snapshots: &[Snapshot]) -> Result<()>;

    /// Reads snapshots, in the order of `batches`.
    async fn read(&self, batches: &[BatchId]) -> Result<Vec<Option<Snapshot>>>;

    /// What workers need to know, in the order of `batches`. A batch that was [forgotten](Self::forget) reads as cancelled.
    async fn steering(&self, batches: &[BatchId]) -> Result<Vec<Option<Steering>>>;

    /// Removes a batch that does not exist any more, and remembers for [`KEEP_FINAL`] that it is gone: items of it may
    /// still be with the broker. Idempotent.
    async fn forget(&self, space: &Space, batch: BatchId) -> Result<()>;

    /// The batches of a space that are not final, oldest first.
    async fn active(&self, space: &Space) -> Result<Vec<BatchId>>;

    /// Events from now on. Some may be lost: whoever needs certainty also polls. A subscriber that falls behind misses
    /// events rather than holding anybody up, and [hears of that](Heard::Missed). The stream goes on over reconnections.
    async fn subscribe(&self, scope: Scope) -> Result<BoxStream<'static, Heard>>;

    /// Notes what a worker said; it is forgotten after `ttl`.
    async fn heartbeat(&self, worker: &WorkerStatus, ttl: Duration) -> Result<()>;

    /// Workers heard of within their time to live, by id.
    async fn workers(&self) -> Result<Vec<WorkerStatus>>;

    /// Tells a worker to drain, or to work again. It is remembered for [`KEEP_TOLD`]; lost with the engine, the worker
    /// works again.
    async fn tell_to_drain(&self, worker: &WorkerId, drain: bool) -> Result<()>;

    /// Which of `workers` are told to drain, in their order.
    async fn told_to_drain(&self, workers: &[WorkerId]) -> Result<Vec<bool>>;

    /// Names what is there now: a random id that is made where there is none. Another one than before means that what was
    /// written before is lost. The same one is no proof of the contrary: an engine may lose a part.
    async fn incarnation(&self) -> Result<Incarnation>;

    /// Answers when the engine does.
    async fn ping(&self) -> Result<()>;
}

/// A random id of what a live view holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Incarnation(u64);

impl Incarnation {
    /// Another one than every other.
    #[must_use]
    pub fn random() -> Self {
        Self(rand::random())
    }
}

impl fmt::Display for Incarnation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl FromStr for Incarnation {
    type Err = ParseIntError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        u64::from_str_radix(text, 16).map(Self)
    }
}

/// What a subscriber hears.
#[derive(Debug, Clone, PartialEq)]
pub enum Heard {
    /// A batch changed.
    Event(Event),
    /// Events got lost: the subscriber was too slow, or there was no connection for a while. What it knows may be out of
    /// date until it reads again.
    Missed,
}

/// Whose events to get.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// Of one tenant.
    Space(Space),
    /// Of everybody: for services, never for clients.
    All,
}

impl Scope {
    /// What a subscriber with this scope hears of `event`.
    #[must_use]
    pub fn heard(&self, event: Event) -> Option<Heard> {
        match self {
            Self::Space(space) if event.space != *space => None,
            Self::Space(_) | Self::All => Some(Heard::Event(event)),
        }
    }
}

/// How long a snapshot is kept after its batch ended.
pub const KEEP_FINAL: Duration = Duration::from_secs(7 * 24 * 3600);

/// How long a worker that was told to drain does, unless it is told to work again.
pub const KEEP_TOLD: Duration = Duration::from_secs(7 * 24 * 3600);

//! A worker, as one space sees it.

use flotilla_core::worker::{Doing, WorkerStatus};
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

/// A worker that said something of late.
#[derive(Serialize, ToSchema)]
#[schema(as = Worker)]
pub(crate) struct WorkerView {
    /// Its id: host, process and a random part.
    id: String,
    /// The fleets that it belongs to.
    pools: Vec<String>,
    /// How many items it runs at once, at most.
    concurrency: u32,
    /// How many items it runs, of all spaces.
    running: u32,
    /// How many items it has taken from the queue and not reported yet, of all spaces.
    held: u32,
    /// It finishes what it has, and takes nothing new: because it was told to, or because it stops.
    draining: bool,
    /// It is told to drain, until it is told to work again.
    told_to_drain: bool,
    /// Items of this space that it runs: the oldest first, not necessarily all.
    doing: Vec<DoingView>,
    /// When the process started.
    #[schema(value_type = String, format = DateTime)]
    started_at: Timestamp,
    /// When it was heard of last.
    #[schema(value_type = String, format = DateTime)]
    seen_at: Timestamp,
    /// The version of Flotilla that it runs.
    version: String,
}

/// An item that a worker runs.
#[derive(Serialize, ToSchema)]
#[schema(as = Doing)]
struct DoingView {
    /// The batch.
    #[schema(value_type = String, format = "uuid")]
    batch_id: String,
    /// The item.
    index: u32,
    /// Which attempt it is.
    attempt: u16,
    /// Its job type.
    job_type: String,
    /// Since when.
    #[schema(value_type = String, format = DateTime)]
    since: Timestamp,
}

/// What a worker was told.
#[derive(Serialize, ToSchema)]
pub(crate) struct WorkerOrder {
    /// Which worker.
    pub(crate) id: String,
    /// It is told to drain, until it is told to work again.
    pub(crate) told_to_drain: bool,
}

/// The workers that were heard of of late, by id.
#[derive(Serialize, ToSchema)]
pub(crate) struct WorkerList {
    /// The workers.
    pub(crate) workers: Vec<WorkerView>,
}

impl WorkerView {
    /// `worker`, with what it was told, and with what it does where `is_own` says so.
    pub(crate) fn new(worker: WorkerStatus, told_to_drain: bool, is_own: impl Fn(&Doing) -> bool) -> Self {
        let view = |doing: Doing| DoingView {
            batch_id: doing.batch.to_string(),
            index: doing.index,
            attempt: doing.attempt,
            job_type: doing.job_type,
            since: doing.since,
        };
        Self {
            id: worker.id.to_string(),
            pools: worker.pools.into_iter().map(String::from).collect(),
            concurrency: worker.concurrency,
            running: worker.running.iter().map(|running| running.items).sum(),
            held: worker.held,
            draining: worker.draining,
            told_to_drain,
            doing: worker.doing.into_iter().filter(is_own).map(view).collect(),
            started_at: worker.started_at,
            seen_at: worker.seen_at,
            version: worker.version,
        }
    }
}

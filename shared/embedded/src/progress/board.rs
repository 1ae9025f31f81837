//! What the live view knows, and what replaces what. Pure: the time is an argument.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use flotilla_core::ports::progress::{KEEP_FINAL, KEEP_TOLD};
use flotilla_core::snapshot::{Snapshot, Steering};
use flotilla_core::worker::WorkerStatus;
use flotilla_core::{BatchId, Space, WorkerId};
use jiff::Timestamp;

/// Snapshots of ended batches that are kept, at most, and notes of batches that are gone. Older ones go first; the store
/// has them all.
pub const MAX_FINAL: usize = 10_000;

/// The latest snapshot of each batch, and what workers said last.
#[derive(Debug, Default)]
pub(super) struct Board {
    snapshots: HashMap<BatchId, Kept>,
    /// Batches that are not final, oldest first.
    active: HashMap<Space, BTreeSet<(Timestamp, BatchId)>>,
    /// Ended batches, by when that was noted.
    ended: BTreeSet<(Timestamp, BatchId)>,
    /// Batches that do not exist any more, and since when.
    gone: HashMap<BatchId, Timestamp>,
    /// The same by time.
    gone_since: BTreeSet<(Timestamp, BatchId)>,
    /// With the instant at which each is forgotten.
    workers: BTreeMap<WorkerId, (Timestamp, WorkerStatus)>,
    /// Workers that are to drain, and since when.
    draining: BTreeMap<WorkerId, Timestamp>,
}

#[derive(Debug)]
struct Kept {
    snapshot: Snapshot,
    /// When its end was noted.
    ended: Option<Timestamp>,
}

impl Board {
    /// Keeps `new`, unless a later version is there or the batch is gone. True where watchers would see a difference.
    pub(super) fn write(&mut self, new: &Snapshot, now: Timestamp) -> bool {
        if self.is_gone(new.batch, now) {
            return false;
        }
        let old = self.snapshots.get(&new.batch).map(|kept| &kept.snapshot);
        if old.is_some_and(|old| old.version > new.version) {
            return false;
        }
        let changed = old.is_none_or(|old| differs(old, new));
        self.remove(new.batch);
        self.keep(new.clone(), now);
        self.prune(now);
        changed
    }

    fn keep(&mut self, snapshot: Snapshot, now: Timestamp) {
        let (batch, ended) = (snapshot.batch, snapshot.state.is_final().then_some(now));
        if let Some(ended) = ended {
            self.ended.insert((ended, batch));
        } else {
            let active = self.active.entry(snapshot.space.clone()).or_default();
            active.insert((snapshot.created_at, batch));
        }
        self.snapshots.insert(batch, Kept { snapshot, ended });
    }

    /// Removes a batch that does not exist any more, and notes that.
    pub(super) fn forget(&mut self, batch: BatchId, now: Timestamp) {
        self.remove(batch);
        if let Some(since) = self.gone.insert(batch, now) {
            self.gone_since.remove(&(since, batch));
        }
        self.gone_since.insert((now, batch));
        self.prune(now);
    }

    fn remove(&mut self, batch: BatchId) {
        let Some(Kept { snapshot, ended }) = self.snapshots.remove(&batch) else {
            return;
        };
        if let Some(ended) = ended {
            self.ended.remove(&(ended, batch));
        } else if let Some(active) = self.active.get_mut(&snapshot.space) {
            active.remove(&(snapshot.created_at, batch));
            if active.is_empty() {
                self.active.remove(&snapshot.space);
            }
        }
    }

    /// Forgets ended batches, and notes of those that are gone, that are too many or too old.
    fn prune(&mut self, now: Timestamp) {
        while let Some(&(ended, batch)) = self.ended.first() {
            if self.ended.len() <= MAX_FINAL && !is_over(ended, KEEP_FINAL, now) {
                break;
            }
            self.remove(batch);
        }
        while let Some(&(since, batch)) = self.gone_since.first() {
            if self.gone_since.len() <= MAX_FINAL && !is_over(since, KEEP_FINAL, now) {
                break;
            }
            self.gone_since.pop_first();
            self.gone.remove(&batch);
        }
    }

    fn is_gone(&self, batch: BatchId, now: Timestamp) -> bool {
        let since = self.gone.get(&batch);
        since.is_some_and(|since| !is_over(*since, KEEP_FINAL, now))
    }

    /// What workers need to know of a batch.
    pub(super) fn steering(&self, batch: BatchId, now: Timestamp) -> Option<Steering> {
        if self.is_gone(batch, now) {
            return Some(Steering::GONE);
        }
        self.read(batch).map(Snapshot::steering)
    }

    pub(super) fn read(&self, batch: BatchId) -> Option<&Snapshot> {
        self.snapshots.get(&batch).map(|kept| &kept.snapshot)
    }

    /// The batches of `space` that are not final, oldest first.
    pub(super) fn active(&self, space: &Space) -> Vec<BatchId> {
        let active = self.active.get(space).into_iter().flatten();
        active.map(|(_, batch)| *batch).collect()
    }

    /// Keeps what a worker said for `ttl`.
    pub(super) fn note(&mut self, worker: &WorkerStatus, ttl: Duration, now: Timestamp) {
        self.workers.retain(|_, (until, _)| *until > now);
        let said = (now.checked_add(ttl).unwrap_or(Timestamp::MAX), worker.clone());
        self.workers.insert(worker.id.clone(), said);
    }

    /// Workers that are not forgotten yet, by id.
    pub(super) fn workers(&self, now: Timestamp) -> Vec<WorkerStatus> {
        let alive = self.workers.values().filter(|(until, _)| *until > now);
        alive.map(|(_, worker)| worker.clone()).collect()
    }

    pub(super) fn tell_to_drain(&mut self, worker: &WorkerId, drain: bool, now: Timestamp) {
        self.draining.retain(|_, since| !is_over(*since, KEEP_TOLD, now));
        if drain {
            self.draining.insert(worker.clone(), now);
        } else {
            self.draining.remove(worker);
        }
    }

    pub(super) fn told_to_drain(&self, workers: &[WorkerId], now: Timestamp) -> Vec<bool> {
        let told = |worker| {
            self.draining
                .get(worker)
                .is_some_and(|since| !is_over(*since, KEEP_TOLD, now))
        };
        workers.iter().map(told).collect()
    }
}

/// True where more differs than when it was taken.
fn differs(old: &Snapshot, new: &Snapshot) -> bool {
    let mut old = old.clone();
    old.updated_at = new.updated_at;
    old != *new
}

fn is_over(since: Timestamp, ttl: Duration, now: Timestamp) -> bool {
    since.checked_add(ttl).is_ok_and(|end| end <= now)
}

#[cfg(test)]
mod tests;

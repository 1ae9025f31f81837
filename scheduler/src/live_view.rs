//! What this process knows of the live view, shared by everything in it that writes snapshots.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use flotilla_core::BatchId;
use flotilla_core::worker::WorkerStatus;

/// What workers run, and whether everything that should be shown is.
#[derive(Clone, Default)]
pub struct LiveView(Arc<Known>);

#[derive(Default)]
struct Known {
    /// Refreshed by [`crate::reconcile`]; read for every snapshot. Only ever shown, never counted with.
    running: RwLock<HashMap<BatchId, u32>>,
    incomplete: AtomicBool,
}

impl LiveView {
    /// How many items of `batch` run, as the workers' heartbeats say.
    #[must_use]
    pub fn running(&self, batch: BatchId) -> u32 {
        let running = self.0.running.read().unwrap_or_else(PoisonError::into_inner);
        running.get(&batch).copied().unwrap_or(0)
    }

    /// Replaces everything by what `workers` say.
    pub fn hear(&self, workers: &[WorkerStatus]) {
        let mut running: HashMap<BatchId, u32> = HashMap::new();
        for of_worker in workers.iter().flat_map(|worker| &worker.running) {
            *running.entry(of_worker.batch).or_default() += of_worker.items;
        }
        *self.0.running.write().unwrap_or_else(PoisonError::into_inner) = running;
    }

    /// A snapshot could not be written: somebody has to look what is missing.
    pub fn set_incomplete(&self) {
        self.0.incomplete.store(true, Ordering::Relaxed);
    }

    /// True once after every [`set_incomplete`](Self::set_incomplete).
    pub fn take_incomplete(&self) -> bool {
        self.0.incomplete.swap(false, Ordering::Relaxed)
    }
}

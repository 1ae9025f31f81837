//! How many items of each batch run right now, as the workers' heartbeats say.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use flotilla_core::BatchId;
use flotilla_core::worker::WorkerStatus;

/// Refreshed from the live view by [`crate::reconcile`]; read for every snapshot. Only ever shown, never counted with.
#[derive(Clone, Default)]
pub struct RunningItems(Arc<RwLock<HashMap<BatchId, u32>>>);

impl RunningItems {
    /// How many items of `batch` run.
    #[must_use]
    pub fn of(&self, batch: BatchId) -> u32 {
        self.0
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(&batch)
            .copied()
            .unwrap_or(0)
    }

    /// Replaces everything by what `workers` say.
    pub fn replace(&self, workers: &[WorkerStatus]) {
        let mut running: HashMap<BatchId, u32> = HashMap::new();
        for of_worker in workers.iter().flat_map(|worker| &worker.running) {
            *running.entry(of_worker.batch).or_default() += of_worker.items;
        }
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = running;
    }
}

//! Knows how many items each pool's workers run at once.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use flotilla_core::ports::Progress;
use flotilla_core::worker::WorkerStatus;
use flotilla_core::{Pool, Tasks};
use tokio::sync::Notify;
use tokio::time::{sleep, timeout};

/// How old the answer may be.
const REFRESH: Duration = Duration::from_secs(1);
/// How long the live view may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// The workers of a pool.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Crew {
    /// How many there are.
    pub(super) workers: u32,
    /// How many items they run at once.
    pub(super) slots: u32,
}

/// Crews by pool, from the workers' heartbeats. When the live view is down, the last known answer. Read in the
/// background: the live view must never hold dispatch up.
pub(super) struct Fleet(Arc<Mutex<HashMap<Pool, Crew>>>);

impl Fleet {
    /// Watches from now on, and wakes `notify` when crews have changed.
    pub(super) fn watch(progress: Arc<dyn Progress>, notify: Arc<Notify>, tasks: &Tasks) -> Self {
        let crews = Arc::default();
        let shutdown = tasks.shutdown().clone();
        let shared = Arc::clone(&crews);
        tasks.spawn("watch the fleet", async move {
            shutdown
                .until_draining(refresh(progress.as_ref(), &shared, &notify))
                .await;
        });
        Self(crews)
    }

    pub(super) fn crews(&self) -> HashMap<Pool, Crew> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

async fn refresh(progress: &dyn Progress, shared: &Mutex<HashMap<Pool, Crew>>, notify: &Notify) {
    loop {
        if let Ok(Ok(workers)) = timeout(PATIENCE, progress.workers()).await {
            let crews = crews(&workers);
            let mut known = shared.lock().unwrap_or_else(PoisonError::into_inner);
            if *known != crews {
                *known = crews;
                notify.notify_one();
            }
        }
        sleep(REFRESH).await;
    }
}

/// A worker that is about to stop takes nothing new.
fn crews(workers: &[WorkerStatus]) -> HashMap<Pool, Crew> {
    let mut crews: HashMap<Pool, Crew> = HashMap::new();
    for worker in workers.iter().filter(|worker| !worker.draining) {
        for pool in &worker.pools {
            let crew = crews.entry(pool.clone()).or_default();
            crew.workers += 1;
            crew.slots = crew.slots.saturating_add(worker.concurrency);
        }
    }
    crews
}

//! Knows how many items each pool's workers run at once.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use flotilla_core::Pool;
use flotilla_core::ports::Progress;
use tokio::time::Instant;

/// How old the answer may be.
const REFRESH: Duration = Duration::from_secs(1);
/// How long a turn waits for it: the live view must never hold dispatch up.
const PATIENCE: Duration = Duration::from_millis(500);

/// Slots by pool, from the workers' heartbeats. When the live view is down, the last known answer.
pub(super) struct Fleet {
    progress: Arc<dyn Progress>,
    slots: HashMap<Pool, u32>,
    asked: Option<Instant>,
}

impl Fleet {
    pub(super) fn new(progress: Arc<dyn Progress>) -> Self {
        Self {
            progress,
            slots: HashMap::new(),
            asked: None,
        }
    }

    pub(super) async fn slots(&mut self) -> &HashMap<Pool, u32> {
        if self.asked.is_none_or(|asked| asked.elapsed() >= REFRESH) {
            self.asked = Some(Instant::now());
            if let Ok(Ok(workers)) = tokio::time::timeout(PATIENCE, self.progress.workers()).await {
                self.slots.clear();
                for worker in workers {
                    for pool in worker.pools {
                        let slots = self.slots.entry(pool).or_default();
                        *slots = slots.saturating_add(worker.concurrency);
                    }
                }
            }
        }
        &self.slots
    }
}

//! How much may be on its way to the broker at once.

use std::collections::HashMap;
use std::sync::Arc;

use flotilla_core::Pool;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

/// A few permits per pool, one for each turn that is being published to it: bounds memory, and slows claiming down to
/// the speed of that queue, and of no other.
pub(super) struct Rooms {
    pools: HashMap<Pool, Arc<Semaphore>>,
    turns: usize,
    notify: Arc<Notify>,
}

/// A turn that is being published. Dropped at its end.
pub(super) struct Room {
    permit: Option<OwnedSemaphorePermit>,
    pool: Arc<Semaphore>,
    notify: Arc<Notify>,
}

impl Rooms {
    /// For `turns` per pool. `notify` is woken when a pool has room that had none.
    pub(super) fn new(turns: usize, notify: Arc<Notify>) -> Self {
        Self {
            pools: HashMap::new(),
            turns,
            notify,
        }
    }

    pub(super) fn has_room(&self, pool: &Pool) -> bool {
        self.pools
            .get(pool)
            .is_none_or(|permits| permits.available_permits() > 0)
    }

    /// `None` where there is no room.
    pub(super) fn enter(&mut self, pool: &Pool) -> Option<Room> {
        let permits = self
            .pools
            .entry(pool.clone())
            .or_insert_with(|| Arc::new(Semaphore::new(self.turns)));
        let permit = Arc::clone(permits).try_acquire_owned().ok()?;
        Some(Room {
            permit: Some(permit),
            pool: Arc::clone(permits),
            notify: Arc::clone(&self.notify),
        })
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        let was_full = self.pool.available_permits() == 0;
        self.permit = None;
        if was_full {
            self.notify.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_stuck_pool_holds_up_no_other() {
        let notify = Arc::new(Notify::new());
        let mut rooms = Rooms::new(2, Arc::clone(&notify));
        let (stuck, fine) = ("stuck".parse().unwrap(), Pool::default());
        let first = rooms.enter(&stuck).unwrap();
        let second = rooms.enter(&stuck).unwrap();
        assert!(!rooms.has_room(&stuck) && rooms.enter(&stuck).is_none());
        assert!(rooms.has_room(&fine) && rooms.enter(&fine).is_some());
        drop(first);
        notify.notified().await;
        assert!(rooms.has_room(&stuck));
        drop(second);
    }
}

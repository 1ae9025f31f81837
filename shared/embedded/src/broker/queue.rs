//! A queue that many tasks use: the state machine behind a lock, and room to wait for.

use std::sync::{Arc, Mutex, PoisonError};
use std::task::Waker;
use std::time::Duration;

use flotilla_core::ports::broker::{Depth, Queue};
use flotilla_core::{Error, Result, crash};
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout_at};

use super::state::{After, Entry, Fate, Rules, State};
use super::{BrokerOptions, ENGINE};

/// Messages that are appended under one lock. A small number, so that a publisher of many does not have to wait until
/// there is room for all of them.
const CHUNK: usize = 256;

#[derive(Debug)]
pub(super) struct MessageQueue<M> {
    name: Queue,
    capacity: usize,
    timeout: Duration,
    room: Arc<Semaphore>,
    state: Mutex<State<M>>,
    /// Where messages go that are given up.
    dead: Option<Arc<Self>>,
}

impl<M: Clone> MessageQueue<M> {
    pub(super) fn new(name: Queue, options: &BrokerOptions, rules: Rules, dead: Option<Arc<Self>>) -> Self {
        let capacity = options.capacity.clamp(1, Semaphore::MAX_PERMITS);
        Self {
            name,
            capacity,
            timeout: options.publish_timeout,
            room: Arc::new(Semaphore::new(capacity)),
            state: Mutex::new(State::new(rules)),
            dead,
        }
    }

    /// Appends messages, as there is room for them.
    pub(super) async fn publish(&self, messages: Vec<M>) -> Result<()> {
        let deadline = Instant::now() + self.timeout;
        let mut messages = messages.into_iter();
        while messages.len() > 0 {
            let chunk = messages.len().min(CHUNK).min(self.capacity);
            let room = Arc::clone(&self.room).acquire_many_owned(u32::try_from(chunk).unwrap_or(1));
            let Ok(Ok(room)) = timeout_at(deadline, room).await else {
                return Err(self.full());
            };
            self.change(|state| state.publish(messages.by_ref().take(chunk), room));
            if messages.len() > 0 {
                crash::point("publisher.publishing");
            }
        }
        Ok(())
    }

    fn full(&self) -> Error {
        let message = format!(
            "queue {} is full with {} messages, and for {:?} none was settled. Does anybody consume it?",
            self.name, self.capacity, self.timeout
        );
        Error::unavailable(ENGINE, message)
    }

    pub(super) fn subscribe(&self, id: u64, prefetch: u16) {
        self.change(|state| state.subscribe(id, prefetch));
    }

    pub(super) fn next(&self, id: u64, waker: &Waker) -> Option<(u64, u32, M)> {
        self.state
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .next(id, waker)
    }

    pub(super) fn settle(&self, id: u64, fate: Fate, numbers: impl Iterator<Item = u64>) {
        self.change(|state| state.settle(id, fate, numbers));
    }

    pub(super) fn cancel(&self, id: u64) {
        self.change(|state| state.cancel(id));
    }

    pub(super) fn remove(&self, id: u64) {
        self.change(|state| state.remove(id));
    }

    pub(super) fn depth(&self) -> Depth {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).depth()
    }

    /// Changes the state, and does afterwards, without the lock, what follows from that.
    fn change(&self, change: impl FnOnce(&mut State<M>) -> After<M>) {
        let after = change(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner));
        self.follow(after);
    }

    fn follow(&self, after: After<M>) {
        after.wake.into_iter().for_each(Waker::wake);
        match &self.dead {
            _ if after.dead.is_empty() => {}
            Some(dead) => dead.bury(after.dead),
            None => {
                tracing::warn!(queue = %self.name, messages = after.dead.len(), "rejected messages are dropped");
            }
        }
    }

    fn bury(&self, dead: Vec<Entry<M>>) {
        let after = self
            .state
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .bury(dead);
        self.follow(after);
    }
}

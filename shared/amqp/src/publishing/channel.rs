//! A channel of a publishing connection: for one call at a time.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::sync::Notify;

use super::confirms::{Confirms, Fate};
use super::outbox::Outbox;

/// Why a channel, or its connection, was closed: the broker's reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) code: u16,
    pub(crate) text: String,
}

/// How a channel can end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum End {
    /// The broker closed it.
    Refused(Refusal),
    /// With its connection.
    Lost,
}

/// What the reader of the connection tells a channel.
#[derive(Debug, Default)]
pub(super) struct Line {
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct State {
    open: bool,
    end: Option<End>,
    confirms: Confirms,
}

impl Line {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The broker has opened the channel, and will confirm.
    pub(super) fn opened(&self) {
        self.state().open = true;
        self.changed.notify_waiters();
    }

    pub(super) fn ended(&self, end: End) {
        self.state().end.get_or_insert(end);
        self.changed.notify_waiters();
    }

    pub(super) fn settle(&self, tag: u64, multiple: bool, fate: Fate) {
        self.state().confirms.settle(tag, multiple, fate);
        self.changed.notify_waiters();
    }

    pub(super) fn came_back(&self, key: &str) {
        self.state().confirms.came_back(key);
    }

    /// Waits until `done` holds.
    async fn until(&self, done: impl Fn(&Confirms, bool) -> bool) -> Result<(), End> {
        loop {
            let mut changed = std::pin::pin!(self.changed.notified());
            // Before looking, so that a change which comes while looking is not lost.
            changed.as_mut().enable();
            {
                let state = self.state();
                if done(&state.confirms, state.open) {
                    return Ok(());
                }
                if let Some(end) = &state.end {
                    return Err(end.clone());
                }
            }
            changed.await;
        }
    }
}

/// A channel. It is closed when it is dropped.
#[derive(Debug)]
pub(crate) struct Channel {
    number: u16,
    frame_max: usize,
    line: Arc<Line>,
    outbox: Arc<Outbox>,
}

impl Channel {
    /// Opens it.
    pub(super) async fn open(outbox: &Arc<Outbox>, frame_max: usize) -> Result<Self, End> {
        let line = Arc::new(Line::default());
        let number = outbox.open(&line)?;
        // From here on, dropping it closes it.
        let channel = Self {
            number,
            frame_max,
            line,
            outbox: Arc::clone(outbox),
        };
        channel.line.until(|_, open| open).await?;
        Ok(channel)
    }

    pub(crate) fn number(&self) -> u16 {
        self.number
    }

    /// The longest frame that may be sent.
    pub(crate) fn frame_max(&self) -> usize {
        self.frame_max
    }

    pub(crate) fn is_open(&self) -> bool {
        self.line.state().end.is_none()
    }

    /// Waits until at least half of the window is free, and answers how many messages may be sent then. None where the
    /// broker has refused one.
    pub(crate) async fn room(&self, window: usize) -> Result<Option<usize>, End> {
        self.line
            .until(|confirms, _| confirms.has_failed() || confirms.unsettled() <= window / 2)
            .await?;
        let state = self.line.state();
        let room = window - state.confirms.unsettled().min(window);
        Ok((!state.confirms.has_failed()).then_some(room))
    }

    /// Sends what publishes so many messages, as soon as there is room for it in memory.
    pub(crate) async fn send(&self, chunk: Bytes, messages: usize) -> Result<(), End> {
        let room = self.outbox.room().await.ok_or(End::Lost)?;
        // Under the lock: once the broker has heard that the channel is closed, a frame on it would cost the connection.
        let mut state = self.line.state();
        if let Some(end) = &state.end {
            return Err(end.clone());
        }
        // Before the frames leave: their confirms may be read at once.
        state.confirms.sent(messages);
        self.outbox.send(chunk, Some(room));
        Ok(())
    }

    /// Waits for the next confirms.
    pub(crate) async fn some_settled(&self) -> Result<(), End> {
        self.line.until(|confirms, _| confirms.has_settled()).await
    }

    /// Waits until everything that was sent is settled.
    pub(crate) async fn all_settled(&self) -> Result<(), End> {
        self.line.until(|confirms, _| confirms.unsettled() == 0).await
    }

    /// Ends a call: what became of each message that it sent, and the routing key of one that came back.
    pub(crate) fn fates(&self) -> (Vec<Fate>, Option<String>) {
        self.line.state().confirms.take()
    }
}

impl Drop for Channel {
    fn drop(&mut self) {
        self.outbox.close(self.number, &self.line);
    }
}

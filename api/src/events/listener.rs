//! One who watches.

use std::sync::Arc;

use flotilla_core::BatchId;
use jiff::SignedDuration;
use tokio::sync::watch;

use super::feed::Feed;
use super::stream::LastEvent;
use super::update::Update;

/// Updates that are handed out together, at most.
const TOGETHER: usize = 64;

/// Batches are not shown in the order of their times. Telling something twice is better than never.
pub(super) const OVERLAP: SignedDuration = SignedDuration::from_secs(1);
/// Ids are cut to it.
const A_MILLISECOND: SignedDuration = SignedDuration::from_millis(1);

/// Gets what is new, at its own pace.
pub(crate) struct Listener {
    feed: Arc<Feed>,
    only: Option<BatchId>,
    moved: watch::Receiver<u64>,
    seen: u64,
    /// The latest update when it came.
    joined: u64,
    since: Option<LastEvent>,
}

impl Listener {
    /// Of one batch, or of everything. What was there before is told unless the listener knows it: `since` is the last event
    /// that it got, if it got any.
    pub(super) fn new(feed: Arc<Feed>, only: Option<BatchId>, since: Option<LastEvent>) -> Self {
        let moved = feed.moved(only);
        let joined = feed.last();
        Self {
            feed,
            only,
            moved,
            seen: 0,
            joined,
            since,
        }
    }

    /// What is new: waits until something is.
    pub(crate) async fn next(&mut self) -> Vec<Arc<Update>> {
        loop {
            self.moved.mark_unchanged();
            let mut new = self.feed.since(self.seen, self.only, TOGETHER);
            if let Some((last, _)) = new.last() {
                self.seen = *last;
            } else if self.moved.changed().await.is_err() {
                // The feed is held by this listener.
                return std::future::pending().await;
            }
            new.retain(|(number, update)| *number > self.joined || self.is_news(update));
            if !new.is_empty() {
                return new.into_iter().map(|(_, update)| update).collect();
            }
        }
    }

    /// True where the listener has to be told of what was there when it came.
    fn is_news(&self, update: &Update) -> bool {
        match self.since {
            Some(last) if self.only.is_some() => !last.is_last || update.at > last.at + A_MILLISECOND,
            Some(last) => update.at + OVERLAP > last.at,
            None => self.only.is_some() || !update.is_last(),
        }
    }
}

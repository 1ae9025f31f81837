//! Follows the batches of a space as long as somebody listens.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use flotilla_core::ports::progress::{Heard, Scope};
use flotilla_core::{BatchId, Space};
use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use jiff::SignedDuration;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until, timeout};

use super::board::Board;
use super::pacing::Pacing;
use super::source;
use super::update::Update;
use crate::app::App;

/// Hints may be lost: how often everything is looked at without one.
const SAFETY: Duration = Duration::from_secs(5);
/// The same while there are no hints, and after a look that failed.
const WITHOUT_HINTS: Duration = Duration::from_secs(1);
/// A subscription is made within this time.
const SUBSCRIBING: Duration = Duration::from_secs(2);
/// Batches that came and ended while nobody heard of them are shown where they ended within this time.
const OF_LATE: SignedDuration = SignedDuration::from_secs(10);
/// Ended batches that are looked at again at a time: whether they are still there.
const CHECKED: usize = 100;
/// Batches of one look.
const LOOK: usize = 500;

/// What is known of a space, and who has to be woken when there is more.
pub(super) struct Feed {
    app: App,
    space: Space,
    board: Mutex<Board>,
    moved: watch::Sender<u64>,
    /// The same for one batch each, where somebody listens to that alone.
    watched: Mutex<HashMap<BatchId, watch::Sender<u64>>>,
}

impl Feed {
    /// Follows `space` until nobody holds this any more.
    pub(super) fn start(app: &App, space: &Space) -> Arc<Self> {
        let feed = Arc::new(Self {
            app: app.clone(),
            space: space.clone(),
            board: Mutex::default(),
            moved: watch::channel(0).0,
            watched: Mutex::default(),
        });
        let shutdown = app.deps.tasks.shutdown().clone();
        let follower = Follower {
            feed: Arc::downgrade(&feed),
            pacing: Pacing::default(),
            hints: None,
            poll_at: Instant::now(),
            checked: 0,
        };
        app.deps.tasks.spawn("events", async move {
            shutdown.until_draining(follower.run()).await;
        });
        feed
    }

    /// The number of the latest update.
    pub(super) fn last(&self) -> u64 {
        self.board().last()
    }

    /// What came after `seen`.
    pub(super) fn since(&self, seen: u64, only: Option<BatchId>, limit: usize) -> Vec<(u64, Arc<Update>)> {
        self.board().since(seen, only, limit)
    }

    /// Changes when there is more.
    pub(super) fn moved(&self, only: Option<BatchId>) -> watch::Receiver<u64> {
        let Some(batch) = only else {
            return self.moved.subscribe();
        };
        let mut watched = self.watched.lock().unwrap_or_else(PoisonError::into_inner);
        watched.retain(|_, moved| moved.receiver_count() > 0);
        watched.entry(batch).or_default().subscribe()
    }

    /// Looks at batches now. Answers of which nothing could be found out.
    pub(super) async fn look(&self, batches: &[BatchId]) -> Vec<BatchId> {
        let mut missed = Vec::new();
        for (batch, update) in source::look(&self.app, &self.space, batches).await {
            match update {
                Some(update) => self.put(update),
                None => missed.push(batch),
            }
        }
        missed
    }

    /// Shows what moves as the store has it. Answers what is left to be looked at: of those that were `moving` the ones
    /// that are not among the newest or have ended, and what came and ended unseen.
    async fn show_stored(&self, moving: Vec<BatchId>) -> BTreeSet<BatchId> {
        let mut left = BTreeSet::from_iter(moving);
        let newest = source::newest(&self.app, &self.space)
            .await
            .unwrap_or_else(|error| {
                tracing::debug!(error = error.chain(), "no news from the store either");
                Vec::new()
            });
        let unseen = |batch| self.board().of(batch).is_none();
        let of_late = self
            .app
            .deps
            .clock
            .now()
            .saturating_sub(OF_LATE)
            .unwrap_or_default();
        for snapshot in newest {
            if !snapshot.state.is_final() {
                left.remove(&snapshot.batch);
                self.put(Update::progress(snapshot));
            } else if snapshot.completed_at > Some(of_late) && unseen(snapshot.batch) {
                left.insert(snapshot.batch);
            }
        }
        left
    }

    fn put(&self, update: Update) {
        let batch = update.batch;
        let mut board = self.board();
        if !board.put(update) {
            return;
        }
        let last = board.last();
        drop(board);
        self.moved.send_replace(last);
        let watched = self.watched.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(moved) = watched.get(&batch) {
            moved.send_replace(last);
        }
    }

    fn board(&self) -> MutexGuard<'_, Board> {
        self.board.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What keeps a feed going.
struct Follower {
    feed: Weak<Feed>,
    pacing: Pacing,
    /// As many at once as came together.
    hints: Option<BoxStream<'static, Vec<Heard>>>,
    /// When everything is looked at again.
    poll_at: Instant,
    /// The number of the last update of an ended batch that was looked at again.
    checked: u64,
}

impl Follower {
    async fn run(mut self) {
        while let Some(feed) = self.feed.upgrade() {
            if self.poll_at <= Instant::now() {
                // Before anything is read, so that no change falls between.
                self.subscribe(&feed).await;
                self.poll(&feed).await;
            }
            let due = self.pacing.take(LOOK, Instant::now());
            if !due.is_empty() {
                for missed in feed.look(&due).await {
                    self.pacing.changed(missed, Instant::now() + WITHOUT_HINTS);
                }
            }
            drop(feed);
            self.wait().await;
        }
    }

    async fn subscribe(&mut self, feed: &Feed) {
        if self.hints.is_none() {
            let scope = Scope::Space(feed.space.clone());
            match timeout(SUBSCRIBING, feed.app.deps.progress.subscribe(scope)).await {
                Ok(Ok(hints)) => self.hints = Some(hints.ready_chunks(LOOK).boxed()),
                Ok(Err(error)) => tracing::debug!(error = error.chain(), "listeners are served by the store"),
                Err(_) => tracing::debug!("listeners are served by the store: no subscription in time"),
            }
        }
    }

    /// Marks everything that may have moved.
    async fn poll(&mut self, feed: &Feed) {
        let moving = feed.board().moving();
        let (changed, pause) = match source::active(&feed.app, &feed.space).await {
            Ok(active) => {
                let pause = self.hints.as_ref().map_or(WITHOUT_HINTS, |_| SAFETY);
                // Nobody says when a batch is deleted.
                let (ended, last) = feed.board().ended(self.checked, CHECKED);
                self.checked = last;
                (active.into_iter().chain(moving).chain(ended).collect(), pause)
            }
            Err(error) => {
                tracing::debug!(error = error.chain(), "looking for batches in the store");
                (feed.show_stored(moving).await, WITHOUT_HINTS)
            }
        };
        let now = Instant::now();
        self.poll_at = now + pause;
        for batch in changed {
            self.pacing.changed(batch, now);
        }
    }

    /// Until there is something to look at.
    async fn wait(&mut self) {
        let at = self
            .pacing
            .next()
            .map_or(self.poll_at, |next| next.min(self.poll_at));
        let heard = async {
            match &mut self.hints {
                Some(hints) => hints.next().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = sleep_until(at) => {}
            heard = heard => match heard {
                Some(heard) => heard.into_iter().for_each(|heard| self.hear(heard)),
                None => self.hints = None,
            }
        }
    }

    fn hear(&mut self, heard: Heard) {
        match heard {
            Heard::Event(event) => self.pacing.changed(event.batch, Instant::now()),
            Heard::Missed => self.poll_at = Instant::now(),
        }
    }
}

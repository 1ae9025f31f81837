//! What moves in a space, to whoever watches: one feed per space and process, however many listen.
//!
//! A feed hears of changes from the live view, reads what changed, and puts it on a [`board`]. Listeners do not get a
//! queue each: they ask the board for what is new since they last looked. So one that reads slowly skips what was
//! replaced meanwhile, costs nothing while nothing moves, and can't make anybody else wait.

mod board;
mod feed;
mod listener;
mod pacing;
mod source;
mod stream;
mod update;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use flotilla_core::{Batch, BatchId, Result, Space};

use crate::app::App;
use feed::Feed;
pub(crate) use listener::Listener;
use listener::OVERLAP;
pub(crate) use stream::{HEARTBEAT, LastEvent, Until, server_sent};

/// Batches that ended while a listener was away, and that it is told of, at most.
const CATCH_UP: u32 = 1_000;

/// The feeds that somebody listens to.
#[derive(Default)]
pub(crate) struct Events(Mutex<HashMap<Space, Weak<Feed>>>);

impl Events {
    /// Listens to everything in `space`. First come the batches that have not ended; where the listener was told something
    /// already, what is new after that (and what may be), ended or not.
    pub(crate) async fn space(app: &App, space: &Space, since: Option<LastEvent>) -> Result<Listener> {
        let feed = Self::feed(app, space);
        let listener = Listener::new(Arc::clone(&feed), None, since);
        if let Some(since) = since {
            // The process that told it may have been another one.
            let from = since.at.saturating_sub(OVERLAP).unwrap_or_default();
            let ended = app.deps.store.finished((from, BatchId::LOWEST), CATCH_UP).await?;
            let here = ended.iter().filter(|batch| batch.space == *space);
            feed.look(&here.map(|batch| batch.id).collect::<Vec<_>>()).await;
        }
        Ok(listener)
    }

    /// Listens to one batch, which is there.
    pub(crate) async fn batch(app: &App, batch: &Batch, since: Option<LastEvent>) -> Listener {
        let feed = Self::feed(app, &batch.space);
        let listener = Listener::new(Arc::clone(&feed), Some(batch.id), since);
        feed.look(&[batch.id]).await;
        listener
    }

    /// The feed of a space: the one that runs, or a new one. It ends when nobody listens any more.
    fn feed(app: &App, space: &Space) -> Arc<Feed> {
        let mut feeds = app.events.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(feed) = feeds.get(space).and_then(Weak::upgrade) {
            return feed;
        }
        feeds.retain(|_, feed| feed.strong_count() > 0);
        let feed = Feed::start(app, space);
        feeds.insert(space.clone(), Arc::downgrade(&feed));
        feed
    }
}

//! The state that every endpoint shares.

use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use flotilla_core::item::{Item, ItemFilter};
use flotilla_core::{Batch, BatchId, ItemIndex, Space};
use tokio::sync::{OnceCell, OwnedSemaphorePermit, Semaphore};

use crate::callbacks::Key;
use crate::config::Config;
use crate::deps::Deps;
use crate::events::Events;
use crate::problem::{Kind, Problem};

/// Cheap to clone.
#[derive(Clone)]
pub(crate) struct App(Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) deps: Deps,
    pub(crate) config: Config,
    /// A permit per upload that may be read.
    pub(crate) uploads: Arc<Semaphore>,
    /// A permit per archive that may be made.
    pub(crate) archives: Arc<Semaphore>,
    /// A permit per client that may listen.
    listeners: Arc<Semaphore>,
    pub(crate) events: Events,
    callback_key: OnceCell<Key>,
}

impl App {
    pub(crate) fn new(deps: Deps, config: Config) -> Self {
        let archives = Arc::new(Semaphore::new(config.concurrent_archives));
        let listeners = Arc::new(Semaphore::new(config.max_listeners));
        let uploads = Arc::new(Semaphore::new(config.concurrent_uploads));
        Self(Arc::new(Inner {
            deps,
            config,
            uploads,
            archives,
            listeners,
            events: Events::default(),
            callback_key: OnceCell::new(),
        }))
    }

    /// The batch of `space` whose id the path says. Text that is no id names no batch either.
    pub(crate) async fn batch(&self, space: &Space, id: &str) -> Result<Batch, Problem> {
        let found = match id.parse() {
            Ok(id) => self.deps.store.batch(space, id).await?,
            Err(_) => None,
        };
        found.ok_or_else(|| unknown_batch(space, id))
    }

    /// An item, where it exists.
    pub(crate) async fn item(
        &self,
        space: &Space,
        batch: BatchId,
        index: ItemIndex,
    ) -> Result<Option<Item>, Problem> {
        let items = self
            .deps
            .store
            .items(space, batch, &ItemFilter::of(index), 1)
            .await?;
        Ok(items.into_iter().next())
    }

    /// Room for one more listener.
    pub(crate) fn seat(&self) -> Result<OwnedSemaphorePermit, Problem> {
        Arc::clone(&self.listeners).try_acquire_owned().map_err(|_| {
            let most = self.config.max_listeners;
            Problem::new(
                Kind::TooManyListeners,
                format!("{most} clients listen to this process already; ask again, or read instead"),
            )
            .retry_after(Duration::from_secs(5))
        })
    }

    /// What callbacks are verified with: the same for every process.
    pub(crate) async fn callback_key(&self) -> Result<&Key, Problem> {
        let secret = || async { self.deps.store.secret().await.map(Key::new) };
        Ok(self.callback_key.get_or_try_init(secret).await?)
    }
}

/// The answer where a space has no such batch.
pub(crate) fn unknown_batch(space: &Space, id: &str) -> Problem {
    let id: String = id.chars().take(80).collect();
    Problem::new(
        Kind::UnknownBatch,
        format!(
            "there is no batch {id:?} in the space {space:?}",
            space = space.as_str()
        ),
    )
}

impl Deref for App {
    type Target = Inner;
    fn deref(&self) -> &Inner {
        &self.0
    }
}

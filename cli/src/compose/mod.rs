//! The composition root: turns settings into engines behind ports. One small file per port; nobody else names an
//! adapter.

pub(crate) mod broker;
mod failure;
mod folder;
pub(crate) mod objects;
mod patience;
pub(crate) mod progress;
mod scheme;
pub(crate) mod store;

use std::fmt::Display;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use flotilla_core::error::ErrorKind;
use flotilla_core::ports::{Broker, Objects, Progress, Store};
use flotilla_core::{Clock, Shutdown};
use tokio::time::Instant;

use self::failure::{BROKER, Failure, OBJECTS, PROGRESS, Port, STORE};
pub(crate) use self::patience::{Interrupted, Patience};
use crate::settings::Settings;

/// How long a live view that is away is waited for: it may be starting, too.
const PROGRESS_PATIENCE: Duration = Duration::from_secs(5);

/// Where an engine is.
pub(crate) trait Place {
    /// True for a server, which other processes can share.
    fn is_server(&self) -> bool;
}

/// Opens engines. Each is checked as it is opened, so that a process that starts can work.
pub(crate) struct Composer<'a> {
    settings: &'a Settings,
    clock: Arc<dyn Clock>,
    patience: Patience,
}

impl<'a> Composer<'a> {
    /// For one start of a process: the patience of the settings begins to run out now.
    pub(crate) fn new(settings: &'a Settings, clock: Arc<dyn Clock>, shutdown: Shutdown) -> Self {
        let until = Instant::now() + settings.wait;
        Self {
            settings,
            clock,
            patience: Patience { until, shutdown },
        }
    }

    /// The store, as it is.
    pub(crate) async fn store(&self) -> Result<Arc<dyn Store>> {
        let url = &self.settings.engines.store;
        self.obtain(STORE, url, || url.connect(), async |store| store.ping().await)
            .await
    }

    /// The store, with its schema brought up to date.
    pub(crate) async fn migrated_store(&self) -> Result<Arc<dyn Store>> {
        let url = &self.settings.engines.store;
        let migrate = async |store: &Arc<dyn Store>| {
            store.migrate().await?;
            store.ping().await
        };
        self.obtain(STORE, url, || url.connect(), migrate).await
    }

    /// The broker, as it is. `name` is how the connection is listed there.
    pub(crate) async fn broker(&self, name: &str) -> Result<Arc<dyn Broker>> {
        let (url, topology) = (&self.settings.engines.broker, self.settings.topology());
        let check = async |broker: &Arc<dyn Broker>| broker.check(&topology).await;
        self.obtain(BROKER, url, || url.connect(name), check).await
    }

    /// The broker; what is missing of its queues is declared where the user may. What was declared once and is gone must
    /// not keep those from starting who would mend it.
    pub(crate) async fn mended_broker(&self, name: &str) -> Result<Arc<dyn Broker>> {
        let (url, topology) = (&self.settings.engines.broker, self.settings.topology());
        let mend = async |broker: &Arc<dyn Broker>| match broker.check(&topology).await {
            Err(missing) if missing.kind() == ErrorKind::Misconfigured => {
                // Whoever may not declare is told what is missing, and not that they may not.
                let declared = broker.declare(&topology).await;
                declared.map_err(|error| if error.is_transient() { error } else { missing })
            }
            answer => answer,
        };
        self.obtain(BROKER, url, || url.connect(name), mend).await
    }

    /// The broker, with its queues declared.
    pub(crate) async fn declared_broker(&self, name: &str) -> Result<Arc<dyn Broker>> {
        let (url, topology) = (&self.settings.engines.broker, self.settings.topology());
        let declare = async |broker: &Arc<dyn Broker>| broker.declare(&topology).await;
        self.obtain(BROKER, url, || url.connect(name), declare).await
    }

    /// The live view. Everything works without it, so one that is away keeps nobody from starting; one that refuses does:
    /// that is a mistake in the settings.
    pub(crate) async fn progress(&self) -> Result<Arc<dyn Progress>> {
        let url = &self.settings.engines.progress;
        let connect = || url.connect(Arc::clone(&self.clock));
        let until = self.patience.until.min(Instant::now() + PROGRESS_PATIENCE);
        let check = async |progress: &Arc<dyn Progress>| match progress.ping().await {
            Err(error) if error.is_transient() && Instant::now() >= until => {
                tracing::warn!(
                    error = error.chain(),
                    "the live view is away: going on without it"
                );
                Ok(())
            }
            answer => answer,
        };
        self.obtain(PROGRESS, url, connect, check).await
    }

    /// Object storage.
    pub(crate) async fn objects(&self) -> Result<Objects> {
        let url = &self.settings.engines.objects;
        self.obtain(OBJECTS, url, || url.open(), async |objects| objects.ping().await)
            .await
    }

    /// Makes an adapter, which connects on its own, and waits until its engine does what is needed.
    async fn obtain<T>(
        &self,
        port: Port,
        place: &(impl Display + Place),
        connect: impl Fn() -> flotilla_core::Result<T>,
        check: impl AsyncFn(&T) -> flotilla_core::Result<()>,
    ) -> Result<T> {
        let shown = place.to_string();
        let engine = match self.patience.obtain(&shown, async || connect()).await? {
            Ok(engine) => {
                let checked = self.patience.obtain(&shown, async || check(&engine).await);
                checked.await?.map(|()| engine)
            }
            Err(error) => Err(error),
        };
        engine.map_err(|error| {
            Failure {
                port,
                place: shown,
                is_server: place.is_server(),
                error,
            }
            .into()
        })
    }
}

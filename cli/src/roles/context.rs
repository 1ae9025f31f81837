//! What every role of a process has in common.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use flotilla_core::clock::StoreClock;
use flotilla_core::ports::Store;
use flotilla_core::trace::Propagator;
use flotilla_core::{Clock, Ids, Shutdown};
use tokio::time::sleep;

use crate::compose::Composer;
use crate::lifecycle::{Crew, Signals};
use crate::settings::Settings;
use crate::telemetry::Telemetry;

/// Roles keep to the time for draining themselves; this much later they are made to.
const MARGIN: Duration = Duration::from_secs(10);

/// How often the store is asked for the time. Clocks of computers drift by less than a millisecond meanwhile.
const ASK_EVERY: Duration = Duration::from_secs(10);

/// Time, ids, traces, and the end of the process.
#[derive(Clone)]
pub(crate) struct Context {
    pub(crate) clock: Arc<dyn Clock>,
    store_clock: Arc<StoreClock>,
    pub(crate) ids: Arc<Ids>,
    pub(crate) trace: Arc<dyn Propagator>,
    pub(crate) shutdown: Shutdown,
    pub(crate) signals: Signals,
}

impl Context {
    /// For a server. Signals are watched from now on.
    pub(crate) fn new(telemetry: &Telemetry) -> anyhow::Result<Self> {
        Self::speaking(telemetry, |text| tracing::info!("{text}"))
    }

    /// The same, for a process that says what signals do by `say`.
    pub(crate) fn speaking(
        telemetry: &Telemetry,
        say: impl Fn(&str) + Send + 'static,
    ) -> anyhow::Result<Self> {
        let store_clock = Arc::new(StoreClock::default());
        let clock: Arc<dyn Clock> = Arc::<StoreClock>::clone(&store_clock);
        let (shutdown, signals) = (Shutdown::new(), Signals::default());
        signals.watch(shutdown.clone(), say)?;
        Ok(Self {
            ids: Arc::new(Ids::new(Arc::clone(&clock))),
            trace: telemetry.propagator(),
            clock,
            store_clock,
            shutdown,
            signals,
        })
    }

    /// Opens engines for this process.
    pub(crate) fn composer<'a>(&self, settings: &'a Settings) -> Composer<'a> {
        Composer::new(settings, Arc::clone(&self.clock), self.shutdown.clone())
    }

    /// Goes by the clock of the store from now on.
    ///
    /// # Errors
    /// Where the store does not tell the time.
    pub(crate) async fn follow_clock(&self, store: &Arc<dyn Store>, crew: &mut Crew) -> anyhow::Result<()> {
        let (clock, store) = (Arc::clone(&self.store_clock), Arc::clone(store));
        clock
            .follow(store.now())
            .await
            .context("can't ask the store for the time")?;
        crew.start("clock", |shutdown| async move {
            while shutdown.until_draining(sleep(ASK_EVERY)).await.is_some() {
                if let Err(error) = clock.follow(store.now()).await {
                    tracing::debug!(error = error.chain(), "the store does not tell the time");
                }
            }
            Ok(())
        });
        Ok(())
    }

    /// Runs `crew` until the process is told to stop.
    pub(crate) async fn run(&self, crew: Crew, settings: &Settings) -> anyhow::Result<()> {
        let ended = crew.run(settings.drain.saturating_add(MARGIN)).await;
        tracing::info!(in_order = ended.is_ok(), "stopped");
        ended
    }
}

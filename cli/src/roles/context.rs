//! What every role of a process has in common.

use std::sync::Arc;
use std::time::Duration;

use flotilla_core::trace::Propagator;
use flotilla_core::{Clock, Ids, Shutdown, SystemClock};

use crate::compose::Composer;
use crate::lifecycle::{Crew, Signals};
use crate::settings::Settings;
use crate::telemetry::Telemetry;

/// Roles keep to the time for draining themselves; this much later they are made to.
const MARGIN: Duration = Duration::from_secs(10);

/// Time, ids, traces, and the end of the process.
#[derive(Clone)]
pub(crate) struct Context {
    pub(crate) clock: Arc<dyn Clock>,
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
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let (shutdown, signals) = (Shutdown::new(), Signals::default());
        signals.watch(shutdown.clone(), say)?;
        Ok(Self {
            ids: Arc::new(Ids::new(Arc::clone(&clock))),
            trace: telemetry.propagator(),
            clock,
            shutdown,
            signals,
        })
    }

    /// Opens engines for this process.
    pub(crate) fn composer<'a>(&self, settings: &'a Settings) -> Composer<'a> {
        Composer::new(settings, Arc::clone(&self.clock), self.shutdown.clone())
    }

    /// Runs `crew` until the process is told to stop.
    pub(crate) async fn run(&self, crew: Crew, settings: &Settings) -> anyhow::Result<()> {
        let ended = crew.run(settings.drain.saturating_add(MARGIN)).await;
        tracing::info!(in_order = ended.is_ok(), "stopped");
        ended
    }
}

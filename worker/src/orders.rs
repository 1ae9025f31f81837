//! What this worker is told from outside: to drain, or to work again.
//!
//! It is asked for once a second. Where nobody answers, what was said last goes on.

use std::sync::Arc;
use std::time::Duration;

use flotilla_core::WorkerId;
use flotilla_core::ports::Progress;
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_util::sync::CancellationToken;

/// Between two questions.
const EVERY: Duration = Duration::from_secs(1);
/// An answer that takes longer is not waited for.
const PATIENCE: Duration = Duration::from_millis(500);

/// Asks until the worker is over.
pub(crate) struct Orders {
    progress: Arc<dyn Progress>,
    worker: WorkerId,
    told: watch::Sender<bool>,
}

impl Orders {
    pub(crate) fn new(progress: Arc<dyn Progress>, worker: WorkerId) -> (Self, Drain) {
        let (told, heard) = watch::channel(false);
        let orders = Self {
            progress,
            worker,
            told,
        };
        (orders, Drain(heard))
    }

    /// Passes on what is said, until `over`.
    pub(crate) async fn run(self, over: CancellationToken) {
        let mut tick = interval(EVERY);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while over.run_until_cancelled(tick.tick()).await.is_some() {
            let asking = timeout(
                PATIENCE,
                self.progress.told_to_drain(std::slice::from_ref(&self.worker)),
            );
            match over.run_until_cancelled(asking).await {
                None => break,
                Some(Ok(Ok(told))) => self.pass_on(told.first() == Some(&true)),
                Some(Ok(Err(error))) => {
                    tracing::debug!(error = error.chain(), "can't ask whether this worker is to drain");
                }
                Some(Err(_)) => {}
            }
        }
        // Whoever listens goes on with what was said last.
        over.cancelled().await;
    }

    fn pass_on(&self, drain: bool) {
        let changed = self
            .told
            .send_if_modified(|told| std::mem::replace(told, drain) != drain);
        if changed && drain {
            tracing::info!(
                "told to drain: finishing what runs, and taking nothing new until told to work again"
            );
        } else if changed {
            tracing::info!("told to work again");
        }
    }
}

/// Whether the worker is told to drain.
#[derive(Debug, Clone)]
pub(crate) struct Drain(watch::Receiver<bool>);

impl Drain {
    /// What was said last.
    pub(crate) fn is_told(&self) -> bool {
        *self.0.borrow()
    }

    /// Waits until it is told so, or is no longer.
    pub(crate) async fn until(&mut self, drain: bool) {
        if self.0.wait_for(|told| *told == drain).await.is_err() {
            // Nobody will say anything any more.
            std::future::pending::<()>().await;
        }
    }
}

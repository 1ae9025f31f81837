//! When to take the next turn.

use std::sync::Arc;
use std::time::Duration;

use flotilla_core::ports::Progress;
use flotilla_core::ports::progress::Scope;
use flotilla_core::{Error, Tasks};
use futures_util::StreamExt;
use tokio::sync::Notify;
use tokio::sync::futures::OwnedNotified;
use tokio::time::Instant;

use super::Deps;

/// Turns are at least so far apart, so that a turn finds more than a handful of items to claim.
const MIN_INTERVAL: Duration = Duration::from_millis(4);
/// The first poll after work, doubling while nothing moves …
const FIRST_POLL: Duration = Duration::from_millis(50);
/// … up to this. Wake-ups make polling unnecessary; polling makes lost wake-ups harmless.
const LAST_POLL: Duration = Duration::from_secs(1);

/// Wake-ups from this process and from everybody's outcomes, in one place.
pub(super) struct Wake {
    notify: Arc<Notify>,
    poll: Duration,
    last: Instant,
    failing: bool,
}

impl Wake {
    /// Listens from now on.
    pub(super) fn start(deps: &Deps, tasks: &Tasks) -> Self {
        let (progress, notify) = (Arc::clone(&deps.progress), Arc::clone(&deps.wake));
        let shutdown = tasks.shutdown().clone();
        tasks.spawn("wake on outcomes", async move {
            shutdown
                .until_draining(forward_events(progress.as_ref(), &notify))
                .await;
        });
        Self {
            notify: Arc::clone(&deps.wake),
            poll: FIRST_POLL,
            last: Instant::now(),
            failing: false,
        }
    }

    /// A wake-up from this moment on is remembered.
    pub(super) fn listen(&mut self) -> OwnedNotified {
        self.last = Instant::now();
        Arc::clone(&self.notify).notified_owned()
    }

    /// The turn found something to do: the next one follows soon.
    pub(super) async fn worked(&mut self) {
        self.poll = FIRST_POLL;
        self.recovered();
        tokio::time::sleep_until(self.last + MIN_INTERVAL).await;
    }

    /// The turn found nothing to do, and that will change after `wait` by itself.
    pub(super) async fn sleep(&mut self, woken: OwnedNotified, wait: Option<Duration>) {
        self.recovered();
        match wait.filter(|wait| *wait < self.poll) {
            Some(wait) => {
                let _ = tokio::time::timeout(wait, woken).await;
            }
            None if tokio::time::timeout(self.poll, woken).await.is_err() => {
                self.poll = (self.poll * 2).min(LAST_POLL);
            }
            None => {}
        }
        tokio::time::sleep_until(self.last + MIN_INTERVAL).await;
    }

    /// The turn failed: say so once, and wait.
    pub(super) async fn failed(&mut self, error: &Error) {
        if !std::mem::replace(&mut self.failing, true) {
            tracing::warn!(error = error.chain(), "dispatch waits");
        }
        tokio::time::sleep(error.wait().unwrap_or(self.poll)).await;
        self.poll = (self.poll * 2).min(LAST_POLL);
    }

    fn recovered(&mut self) {
        if std::mem::replace(&mut self.failing, false) {
            tracing::info!("dispatch goes on");
        }
    }
}

/// Every event of every space is a wake-up: something settled, or was sealed elsewhere.
async fn forward_events(progress: &dyn Progress, notify: &Notify) {
    loop {
        match progress.subscribe(Scope::All).await {
            Ok(mut events) => {
                while events.next().await.is_some() {
                    notify.notify_one();
                }
            }
            Err(error) => tracing::debug!(error = error.chain(), "no wake-ups from the live view, polling"),
        }
        tokio::time::sleep(LAST_POLL).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wake() -> Wake {
        Wake {
            notify: Arc::new(Notify::new()),
            poll: FIRST_POLL,
            last: Instant::now(),
            failing: false,
        }
    }

    #[tokio::test(start_paused = true)]
    async fn sleeps_until_something_happens_or_is_due() {
        let mut wake = wake();
        let mut slept = async |notified: bool, wait: Option<u64>| {
            let began = Instant::now();
            let woken = wake.listen();
            if notified {
                wake.notify.notify_one();
            }
            wake.sleep(woken, wait.map(Duration::from_millis)).await;
            began.elapsed().as_millis()
        };
        assert_eq!(slept(true, None).await, 4, "soon, but not at once");
        assert_eq!(slept(false, Some(17)).await, 17, "when it is due");
        assert_eq!(slept(false, Some(0)).await, 4);
        assert_eq!(slept(false, Some(60_000)).await, 50, "never longer than the poll");
        assert_eq!(slept(false, None).await, 100, "which grows while nothing moves");
        assert_eq!(slept(false, Some(17)).await, 17);
        assert_eq!(slept(false, None).await, 200);
    }
}

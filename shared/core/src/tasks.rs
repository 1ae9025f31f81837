//! Tasks that are never lost: tracked, stopped in two stages, and loud when they panic.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::FutureExt;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// The two stages of a shutdown. First `draining`: take nothing new, finish what runs. Then `aborting`: stop now, what
/// runs is given back.
#[derive(Debug, Clone, Default)]
pub struct Shutdown {
    drain: CancellationToken,
    abort: CancellationToken,
}

impl Shutdown {
    /// Neither stage reached.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Starts the first stage.
    pub fn drain(&self) {
        self.drain.cancel();
    }

    /// Starts the second stage, and the first where it has not begun.
    pub fn abort(&self) {
        self.drain.cancel();
        self.abort.cancel();
    }

    /// True from the first stage on.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.drain.is_cancelled()
    }

    /// True in the second stage.
    #[must_use]
    pub fn is_aborting(&self) -> bool {
        self.abort.is_cancelled()
    }

    /// Waits for the first stage.
    pub async fn draining(&self) {
        self.drain.cancelled().await;
    }

    /// Waits for the second stage.
    pub async fn aborting(&self) {
        self.abort.cancelled().await;
    }

    /// Runs `future` until the first stage.
    pub async fn until_draining<F: Future>(&self, future: F) -> Option<F::Output> {
        self.drain.run_until_cancelled(future).await
    }

    /// Runs `future` until the second stage.
    pub async fn until_aborting<F: Future>(&self, future: F) -> Option<F::Output> {
        self.abort.run_until_cancelled(future).await
    }

    /// A shutdown that follows this one and can also be started alone.
    #[must_use]
    pub fn child(&self) -> Self {
        Self {
            drain: self.drain.child_token(),
            abort: self.abort.child_token(),
        }
    }
}

/// The background tasks of a service. A panic in one of them starts the shutdown: a process that has lost a part must
/// not go on as if it had not.
#[derive(Debug, Clone)]
pub struct Tasks {
    tracker: TaskTracker,
    fate: Arc<Fate>,
}

/// What tasks share. One reference to it for each of them: tokens take a lock whenever they are cloned or dropped.
#[derive(Debug)]
struct Fate {
    shutdown: Shutdown,
    panicked: AtomicBool,
}

impl Tasks {
    /// No tasks yet, under `shutdown`.
    #[must_use]
    pub fn new(shutdown: Shutdown) -> Self {
        Self {
            tracker: TaskTracker::new(),
            fate: Arc::new(Fate {
                shutdown,
                panicked: AtomicBool::new(false),
            }),
        }
    }

    /// The shutdown that the tasks obey.
    #[must_use]
    pub fn shutdown(&self) -> &Shutdown {
        &self.fate.shutdown
    }

    /// Runs `future` in the background. It must watch the shutdown itself and end soon after it.
    #[expect(clippy::disallowed_methods, reason = "the one place that spawns")]
    pub fn spawn<F>(&self, name: &'static str, future: F) -> JoinHandle<Option<F::Output>>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let fate = Arc::clone(&self.fate);
        tokio::spawn(self.tracker.track_future(async move {
            let output = std::panic::AssertUnwindSafe(future).catch_unwind().await;
            if output.is_err() {
                tracing::error!(task = name, "a background task panicked: stopping");
                fate.panicked.store(true, Ordering::Release);
                fate.shutdown.drain();
            }
            output.ok()
        }))
    }

    /// Waits until every task has ended; when `patience` is over, aborts and waits a little more.
    ///
    /// # Errors
    /// Where a task panicked, or did not end in time.
    pub async fn finish(self, patience: Duration) -> Result<(), Unfinished> {
        self.tracker.close();
        let patient = async {
            tokio::select! {
                () = tokio::time::sleep(patience) => {}
                () = self.fate.shutdown.aborting() => {}
            }
        };
        let on_time = tokio::select! {
            () = self.tracker.wait() => true,
            () = patient => false,
        };
        if !on_time {
            self.fate.shutdown.abort();
            if tokio::time::timeout(Duration::from_secs(5), self.tracker.wait())
                .await
                .is_err()
            {
                return Err(Unfinished::Stuck(self.tracker.len()));
            }
        }
        if self.fate.panicked.load(Ordering::Acquire) {
            Err(Unfinished::Panicked)
        } else {
            Ok(())
        }
    }
}

/// Why background tasks did not end well.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unfinished {
    /// One of them panicked.
    #[error("a background task panicked")]
    Panicked,
    /// So many ignored the shutdown.
    #[error("{0} background tasks did not stop")]
    Stuck(usize),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_stops_the_others() {
        let tasks = Tasks::new(Shutdown::new());
        let shutdown = tasks.shutdown().clone();
        tasks.spawn("waits", async move { shutdown.draining().await });
        tasks.spawn("panics", async { panic!("on purpose") });
        assert_eq!(
            tasks.finish(Duration::from_secs(5)).await,
            Err(Unfinished::Panicked)
        );
    }

    #[tokio::test(start_paused = true)]
    async fn patience_ends_in_an_abort() {
        let tasks = Tasks::new(Shutdown::new());
        let shutdown = tasks.shutdown().clone();
        tasks.spawn("slow", async move { shutdown.aborting().await });
        tasks.shutdown().drain();
        assert_eq!(tasks.finish(Duration::from_secs(60)).await, Ok(()));
    }
}

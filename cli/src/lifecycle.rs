//! From start to exit: signals, the roles of a process, and the order in which they stop.
//!
//! A role that ends by itself takes the process down with it: whatever restarts processes can't see half a process.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use flotilla_core::{Shutdown, Tasks};
use futures_util::future::select_all;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::JoinHandle;
use tokio::time::Instant;

/// How long a role may take to stop once it was told to stop now.
const ABORT_PATIENCE: Duration = Duration::from_secs(5);

/// SIGTERM and SIGINT as a [`Shutdown`]: the first one drains, the second one aborts.
#[derive(Debug, Clone, Default)]
pub(crate) struct Signals {
    received: Arc<AtomicBool>,
}

impl Signals {
    /// True once one was received.
    pub(crate) fn received(&self) -> bool {
        self.received.load(Ordering::Acquire)
    }

    /// Watches for them from now on, and says what they do.
    pub(crate) fn watch(&self, shutdown: Shutdown, say: impl Fn(&str) + Send + 'static) -> Result<()> {
        let mut interrupt = signal(SignalKind::interrupt()).context("can't handle SIGINT")?;
        let mut terminate = signal(SignalKind::terminate()).context("can't handle SIGTERM")?;
        let received = Arc::clone(&self.received);
        let watch = async move {
            either(&mut interrupt, &mut terminate).await;
            received.store(true, Ordering::Release);
            say("stopping: finishing what runs; once more to stop now");
            shutdown.drain();
            either(&mut interrupt, &mut terminate).await;
            say("stopping now");
            shutdown.abort();
        };
        // Never waited for: it ends with the process.
        drop(Tasks::new(Shutdown::new()).spawn("signals", watch));
        Ok(())
    }
}

async fn either(one: &mut Signal, other: &mut Signal) {
    tokio::select! {
        _ = one.recv() => {}
        _ = other.recv() => {}
    }
}

/// The roles of a process, in the order in which they stop.
pub(crate) struct Crew {
    root: Shutdown,
    tasks: Tasks,
    stages: Vec<Stage>,
}

enum Stage {
    Role(Role),
    /// What must have happened between the end of one role and the end of the next.
    Barrier(Pin<Box<dyn Future<Output = ()> + Send>>),
}

struct Role {
    name: &'static str,
    /// Apart from the others', because they drain one after the other.
    shutdown: Shutdown,
    handle: JoinHandle<Option<Result<()>>>,
}

impl Crew {
    /// Nobody yet. Draining `root` begins the stop.
    pub(crate) fn new(root: Shutdown) -> Self {
        Self {
            root,
            tasks: Tasks::new(Shutdown::new()),
            stages: Vec::new(),
        }
    }

    /// Starts a role. It stops after those that were started before it.
    pub(crate) fn start<F>(&mut self, name: &'static str, role: impl FnOnce(Shutdown) -> F)
    where
        F: Future<Output = Result<()>> + Send + 'static,
    {
        let shutdown = Shutdown::new();
        let handle = self.tasks.spawn(name, role(shutdown.clone()));
        self.stages.push(Stage::Role(Role {
            name,
            shutdown,
            handle,
        }));
    }

    /// Lets `barrier` happen after the roles so far have stopped, before the next one is told to.
    pub(crate) fn then(&mut self, barrier: impl Future<Output = ()> + Send + 'static) {
        self.stages.push(Stage::Barrier(Box::pin(barrier)));
    }

    /// Runs until the root drains or a role ends, then stops everybody. What is left after `drain` is aborted.
    ///
    /// # Errors
    /// The first thing that went wrong in a role.
    pub(crate) async fn run(mut self, drain: Duration) -> Result<()> {
        let failed = self.until_told_or_failed().await;
        self.root.drain();
        let deadline = Instant::now() + drain;
        let mut outcome = failed.map_or(Ok(()), Err);
        for stage in std::mem::take(&mut self.stages) {
            let stopped = match stage {
                Stage::Role(role) => role.stop(&self.root, deadline).await,
                Stage::Barrier(barrier) => {
                    patiently(barrier, &self.root, deadline).await;
                    Ok(())
                }
            };
            outcome = outcome.and(stopped);
        }
        outcome
    }

    async fn until_told_or_failed(&mut self) -> Option<anyhow::Error> {
        let handles = self.stages.iter_mut().filter_map(|stage| match stage {
            Stage::Role(role) => Some(Box::pin(async { (role.name, (&mut role.handle).await) })),
            Stage::Barrier(_) => None,
        });
        let (name, ended) = tokio::select! {
            () = self.root.draining() => return None,
            (ended, _, _) = select_all(handles) => ended,
        };
        let outcome = ended.ok().flatten();
        self.stages
            .retain(|stage| !matches!(stage, Stage::Role(role) if role.name == name));
        Some(match outcome {
            Some(Err(error)) => error.context(format!("the {name} failed")),
            Some(Ok(())) => anyhow!("the {name} stopped without being told to"),
            None => anyhow!("the {name} panicked"),
        })
    }
}

impl Role {
    async fn stop(self, root: &Shutdown, deadline: Instant) -> Result<()> {
        let Self {
            name,
            shutdown,
            mut handle,
        } = self;
        shutdown.drain();
        let ended = match patiently(&mut handle, root, deadline).await {
            Some(ended) => ended,
            None => {
                shutdown.abort();
                tokio::time::timeout(ABORT_PATIENCE, handle)
                    .await
                    .with_context(|| format!("the {name} did not stop"))?
            }
        };
        match ended.ok().flatten() {
            Some(outcome) => outcome.with_context(|| format!("the {name} did not stop cleanly")),
            None => Err(anyhow!("the {name} panicked")),
        }
    }
}

/// `future`, unless there is no time left for it.
async fn patiently<F: Future>(future: F, root: &Shutdown, deadline: Instant) -> Option<F::Output> {
    tokio::select! {
        output = future => Some(output),
        () = root.aborting() => None,
        () = tokio::time::sleep_until(deadline) => None,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    const DRAIN: Duration = Duration::from_secs(30);

    #[tokio::test]
    async fn roles_stop_in_order_with_what_belongs_between_them() {
        let order = Arc::new(Mutex::new(Vec::new()));
        let note = |what| {
            let order = Arc::clone(&order);
            move || order.lock().unwrap().push(what)
        };
        let root = Shutdown::new();
        let mut crew = Crew::new(root.clone());
        let (first, between, last) = (note("first"), note("between"), note("last"));
        crew.start("first", |shutdown| async move {
            shutdown.draining().await;
            first();
            Ok(())
        });
        crew.then(async move { between() });
        crew.start("last", |shutdown| async move {
            shutdown.draining().await;
            last();
            Ok(())
        });
        root.drain();
        crew.run(DRAIN).await.unwrap();
        assert_eq!(*order.lock().unwrap(), ["first", "between", "last"]);
    }

    #[tokio::test]
    async fn a_role_that_fails_stops_the_others() {
        let mut crew = Crew::new(Shutdown::new());
        crew.start("patient", |shutdown| async move {
            shutdown.draining().await;
            Ok(())
        });
        crew.start("broken", |_| async { Err(anyhow!("no luck")) });
        let error = crew.run(DRAIN).await.unwrap_err();
        assert_eq!(format!("{error:#}"), "the broken failed: no luck");
    }

    #[tokio::test]
    async fn a_role_that_panics_or_just_ends_is_a_failure() {
        let mut crew = Crew::new(Shutdown::new());
        crew.start("hasty", |_| async { Ok(()) });
        assert!(
            crew.run(DRAIN)
                .await
                .unwrap_err()
                .to_string()
                .contains("without being told")
        );
        let mut crew = Crew::new(Shutdown::new());
        crew.start("rash", |_| async { panic!("on purpose") });
        assert!(
            crew.run(DRAIN)
                .await
                .unwrap_err()
                .to_string()
                .contains("panicked")
        );
    }

    #[tokio::test(start_paused = true)]
    async fn who_does_not_drain_in_time_is_aborted() {
        let root = Shutdown::new();
        let mut crew = Crew::new(root.clone());
        crew.start("slow", |shutdown| async move {
            shutdown.aborting().await;
            Ok(())
        });
        root.drain();
        let started = Instant::now();
        crew.run(DRAIN).await.unwrap();
        assert_eq!(started.elapsed(), DRAIN);
    }
}

//! Reconcilers: idempotent tasks, one per file. Each states the condition that it repairs, looks for it from time to
//! time, and repairs it; none depends on having seen how the condition came about.
//!
//! To add one: implement [`Task`] in a new file and list it in [`start`].

mod abandoned_uploads;
mod stale_progress;

use std::time::Duration;

use async_trait::async_trait;
use flotilla_core::{Result, Shutdown, Tasks};

pub use abandoned_uploads::AbandonedUploads;
pub use stale_progress::StaleProgress;

use crate::running::RunningItems;
use crate::{Config, Deps};

/// A reconciler.
#[async_trait]
pub trait Task: Send + 'static {
    /// What it is called in logs.
    fn name(&self) -> &'static str;

    /// How long it rests between two looks.
    fn period(&self) -> Duration;

    /// Looks once and repairs what it finds. Answers how many repairs it made.
    async fn run_once(&mut self) -> Result<u64>;
}

/// Starts every reconciler.
pub(crate) fn start(deps: &Deps, config: Config, running: &RunningItems, tasks: &Tasks) {
    let all: Vec<Box<dyn Task>> = vec![
        Box::new(AbandonedUploads::new(deps, config.upload_ttl)),
        Box::new(StaleProgress::new(deps, running)),
    ];
    for task in all {
        tasks.spawn(task.name(), drive(task, tasks.shutdown().clone()));
    }
}

async fn drive(mut task: Box<dyn Task>, shutdown: Shutdown) {
    let mut failing = false;
    while !shutdown.is_draining() {
        match task.run_once().await {
            Ok(_) => failing = false,
            Err(error) => {
                if !std::mem::replace(&mut failing, true) {
                    tracing::warn!(
                        task = task.name(),
                        error = error.chain(),
                        "a reconciler can't look, trying again"
                    );
                }
            }
        }
        shutdown.until_draining(tokio::time::sleep(task.period())).await;
    }
}

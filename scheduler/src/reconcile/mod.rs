//! Reconcilers: idempotent tasks, one per file. Each states the condition that it repairs, looks for it from time to
//! time, and repairs it; none depends on having seen how the condition came about.
//!
//! To add one: implement [`Task`] in a new file and list it in [`start`].

mod abandoned_uploads;
mod cancellations;
mod deadlines;
mod deletions;
mod expired_batches;
mod expired_leases;
mod expiries;
mod follow_ups;
mod forgotten_keys;
mod lost_dispatches;
mod missing_queues;
mod stale_progress;
mod unsealed_batches;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use flotilla_core::{Result, Shutdown, Tasks};
use jiff::{SignedDuration, Timestamp};
use tokio::sync::Notify;

pub use abandoned_uploads::AbandonedUploads;
pub use cancellations::Cancellations;
pub use deadlines::Deadlines;
pub use deletions::Deletions;
pub use expired_batches::ExpiredBatches;
pub use expired_leases::ExpiredLeases;
pub use expiries::Expiries;
pub use follow_ups::FollowUpsPending;
pub use forgotten_keys::ForgottenKeys;
pub use lost_dispatches::LostDispatches;
pub use missing_queues::MissingQueues;
pub use stale_progress::StaleProgress;
pub use unsealed_batches::UnsealedBatches;

use crate::live_view::LiveView;
use crate::{Config, Deps};

/// Rows that one transaction removes: see `docs/adr/012-retention-in-steps.md`.
const ROWS: u32 = 2_000;

/// A reconciler.
#[async_trait]
pub trait Task: Send + 'static {
    /// What it is called in logs.
    fn name(&self) -> &'static str;

    /// How long it rests between two looks.
    fn period(&self) -> Duration;

    /// Looks once and repairs what it finds. Answers how many repairs it made. May be dropped at any point.
    async fn run_once(&mut self) -> Result<u64>;

    /// Ends when there is a reason to look before the period is over.
    async fn wake(&mut self) {
        std::future::pending::<()>().await;
    }
}

/// Starts every reconciler. `ended` says that a batch has ended that may have a follow-up.
pub(crate) fn start(deps: &Deps, config: &Config, view: &LiveView, ended: &Arc<Notify>, tasks: &Tasks) {
    let mut all: Vec<Box<dyn Task>> = vec![
        Box::new(AbandonedUploads::new(deps, config.upload_ttl)),
        Box::new(Cancellations::new(deps, view, config.cancel_grace)),
        Box::new(Deadlines::new(deps, view)),
        Box::new(Deletions::new(deps)),
        Box::new(Expiries::new(deps)),
        Box::new(FollowUpsPending::new(deps, view, ended)),
        Box::new(ExpiredLeases::new(deps, view)),
        Box::new(ForgottenKeys::new(deps)),
        Box::new(LostDispatches::new(deps, config.topology.shards)),
        Box::new(MissingQueues::new(deps, config.topology.clone())),
        Box::new(StaleProgress::new(deps, view)),
        Box::new(UnsealedBatches::new(deps, config.open_ttl)),
    ];
    if let Some(keep) = config.keep {
        all.push(Box::new(ExpiredBatches::new(deps, keep)));
    }
    for task in all {
        tasks.spawn(task.name(), drive(task, tasks.shutdown().clone()));
    }
}

async fn drive(mut task: Box<dyn Task>, shutdown: Shutdown) {
    let mut failing = false;
    while let Some(looked) = shutdown.until_draining(task.run_once()).await {
        match looked {
            Ok(_) => failing = false,
            Err(error) => {
                if !std::mem::replace(&mut failing, true) {
                    tracing::warn!(
                        task = task.name(),
                        error = error.chain(),
                        "a reconciler can't do its work, trying again"
                    );
                }
            }
        }
        let period = task.period();
        let rest = tokio::time::timeout(period, task.wake());
        if shutdown.until_draining(rest).await.is_none() {
            return;
        }
    }
}

/// What was longer than `age` ago at `now`.
fn before(now: Timestamp, age: Duration) -> Timestamp {
    let age = SignedDuration::try_from(age).unwrap_or(SignedDuration::MAX);
    now.saturating_sub(age).unwrap_or(Timestamp::MIN)
}

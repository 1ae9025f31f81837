//! A lease has expired if its time is over and nobody renewed it: the callback that an item waits for did not come, or
//! the worker that went on with it without a delivery is gone. The attempt has failed.

use std::time::Duration;

use async_trait::async_trait;
use flotilla_core::Result;

use super::Task;
use crate::live_view::LiveView;
use crate::{Deps, publish};

/// Leases per transaction.
const LIMIT: u32 = 1_000;

/// Lets leases run out.
pub struct ExpiredLeases {
    deps: Deps,
    view: LiveView,
}

impl ExpiredLeases {
    /// Shares `view` with whoever else writes snapshots.
    #[must_use]
    pub fn new(deps: &Deps, view: &LiveView) -> Self {
        Self {
            deps: deps.clone(),
            view: view.clone(),
        }
    }
}

#[async_trait]
impl Task for ExpiredLeases {
    fn name(&self) -> &'static str {
        "expired leases"
    }

    fn period(&self) -> Duration {
        Duration::from_secs(1)
    }

    async fn run_once(&mut self) -> Result<u64> {
        let now = self.deps.clock.now();
        let mut changed = 0;
        loop {
            let batches = self.deps.store.expire_leases(LIMIT, now).await?;
            if batches.is_empty() {
                return Ok(changed);
            }
            publish::publish(&self.deps, &self.view, &batches).await;
            changed += batches.len() as u64;
        }
    }
}

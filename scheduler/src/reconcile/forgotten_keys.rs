//! A key is forgotten once its time is over: the `custom_id` of an item that its space is not to accept twice. It hinders
//! nobody from then on, but its row would stay.

use std::time::Duration;

use async_trait::async_trait;
use flotilla_core::Result;

use super::Task;
use crate::Deps;

/// Keys per transaction.
const LIMIT: u32 = 5_000;

/// Removes keys whose time is over.
pub struct ForgottenKeys {
    deps: Deps,
}

impl ForgottenKeys {
    /// Works on the store of `deps`.
    #[must_use]
    pub fn new(deps: &Deps) -> Self {
        Self { deps: deps.clone() }
    }
}

#[async_trait]
impl Task for ForgottenKeys {
    fn name(&self) -> &'static str {
        "forgotten keys"
    }

    fn period(&self) -> Duration {
        Duration::from_secs(60)
    }

    async fn run_once(&mut self) -> Result<u64> {
        let now = self.deps.clock.now();
        let mut gone = 0;
        loop {
            let some = self.deps.store.forget_keys(LIMIT, now).await?;
            gone += u64::from(some);
            if some < LIMIT {
                return Ok(gone);
            }
        }
    }
}

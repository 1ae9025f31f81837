//! A queue is missing if the topology names it and the broker has none: somebody deleted it, or the broker was set up
//! anew. It is declared again; what it held is found by [`LostDispatches`](super::LostDispatches).

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use flotilla_core::error::ErrorKind;
use flotilla_core::ports::Broker;
use flotilla_core::ports::broker::Topology;
use flotilla_core::{Error, Result};

use super::Task;
use crate::Deps;

/// Declares missing queues.
pub struct MissingQueues {
    broker: Arc<dyn Broker>,
    topology: Topology,
}

impl MissingQueues {
    /// Those of `topology`.
    #[must_use]
    pub fn new(deps: &Deps, topology: Topology) -> Self {
        Self {
            broker: Arc::clone(&deps.broker),
            topology,
        }
    }
}

#[async_trait]
impl Task for MissingQueues {
    fn name(&self) -> &'static str {
        "missing queues"
    }

    fn period(&self) -> Duration {
        Duration::from_secs(5)
    }

    async fn run_once(&mut self) -> Result<u64> {
        match self.broker.check(&self.topology).await {
            Ok(()) => Ok(0),
            Err(missing) if missing.kind() == ErrorKind::Misconfigured => {
                self.broker.declare(&self.topology).await?;
                tracing::warn!(error = missing.chain(), "declared it again");
                Ok(1)
            }
            Err(error) => Err(Error::unavailable("scheduler", "can't look at the queues").because(error)),
        }
    }
}

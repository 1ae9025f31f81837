//! `[worker]`: how much a worker does at once, and for whom.

use flotilla_core::Pool;
use flotilla_core::ids::InvalidName;
use flotilla_core::job_type::JobTypes;
use serde::{Deserialize, Serialize};

use super::Invalid;
use super::raw::Names;

/// `[worker]` as it is written.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct RawWorker {
    concurrency: Option<u32>,
    prefetch: Option<u16>,
    pools: Option<Names>,
}

/// What a worker does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct WorkerSettings {
    /// How many items it runs at once.
    pub(crate) concurrency: u32,
    /// How many items it fetches ahead, per pool, where that is set.
    pub(crate) prefetch: Option<u16>,
    /// The fleets that it belongs to, where they are set.
    pub(crate) pools: Option<Vec<Pool>>,
}

/// Most handlers wait for something (a network, a child process), so more than one per core.
const PER_CORE: u32 = 4;
/// Even on a small machine.
const LEAST: u32 = 8;
/// More would need more file descriptors and processes than systems give by default.
const MOST: u32 = 10_000;

impl RawWorker {
    pub(super) fn validate(self, cores: u32) -> Result<WorkerSettings, Invalid> {
        let concurrency = self.concurrency.unwrap_or_else(|| default_concurrency(cores));
        if !(1..=MOST).contains(&concurrency) {
            return Err(Invalid::new(
                "worker.concurrency",
                format!("must be 1 to {MOST}, not {concurrency}"),
            ));
        }
        if self.prefetch == Some(0) {
            return Err(Invalid::new(
                "worker.prefetch",
                "must be at least 1: 0 would mean no limit",
            ));
        }
        Ok(WorkerSettings {
            concurrency,
            prefetch: self.prefetch,
            pools: self.pools.map(pools).transpose()?,
        })
    }
}

impl WorkerSettings {
    /// The fleets of a worker that runs alone: `default`, unless set.
    pub(crate) fn own_pools(&self) -> Vec<Pool> {
        self.pools.clone().unwrap_or_else(|| vec![Pool::default()])
    }

    /// Every fleet that this configuration knows of: `default`, those of the job types, and its own.
    pub(crate) fn all_pools(&self, job_types: &JobTypes) -> Vec<Pool> {
        let mut pools = self.own_pools();
        pools.push(Pool::default());
        pools.extend(job_types.iter().map(|(_, job_type)| job_type.pool.clone()));
        pools.sort();
        pools.dedup();
        pools
    }
}

fn pools(names: Names) -> Result<Vec<Pool>, Invalid> {
    let names = names.into_vec();
    if names.is_empty() {
        return Err(Invalid::new("worker.pools", "must name at least one pool"));
    }
    names
        .iter()
        .map(|name| {
            name.parse::<Pool>()
                .map_err(|error: InvalidName| Invalid::new("worker.pools", error.to_string()))
        })
        .collect()
}

/// Four per core, and at least eight.
pub(crate) fn default_concurrency(cores: u32) -> u32 {
    cores.saturating_mul(PER_CORE).clamp(LEAST, MOST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_follow_the_machine() {
        let settings = RawWorker::default().validate(16).unwrap();
        assert_eq!((settings.concurrency, settings.prefetch), (64, None));
        assert_eq!(RawWorker::default().validate(1).unwrap().concurrency, 8);
    }

    #[test]
    fn senseless_numbers_are_refused() {
        let zero = RawWorker {
            concurrency: Some(0),
            ..RawWorker::default()
        };
        assert!(zero.validate(2).is_err());
        let unlimited = RawWorker {
            prefetch: Some(0),
            ..RawWorker::default()
        };
        assert!(unlimited.validate(2).is_err());
    }
}

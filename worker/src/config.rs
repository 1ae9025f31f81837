//! What a worker needs, and how it is set up.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use flotilla_core::artifact;
use flotilla_core::job_type::JobTypes;
use flotilla_core::ports::{Broker, Objects, Progress};
use flotilla_core::shard::DEFAULT_SHARDS;
use flotilla_core::trace::Propagator;
use flotilla_core::{Clock, Error, Pool, WorkerId};

use crate::ENGINE;
use crate::lease::Terms;
use crate::registry::Registry;

/// What a worker runs on.
#[derive(Clone)]
pub struct Deps {
    /// Brings items and takes reports.
    pub broker: Arc<dyn Broker>,
    /// Knows which batches are paused or cancelled.
    pub progress: Arc<dyn Progress>,
    /// Keeps long outputs, and files.
    pub objects: Objects,
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
    /// Carries traces.
    pub trace: Arc<dyn Propagator>,
    /// Who this worker is.
    pub id: WorkerId,
}

/// How a worker is set up.
#[derive(Debug, Clone)]
pub struct Config {
    /// The fleets that it belongs to.
    pub pools: Vec<Pool>,
    /// How many items it runs at once, over all pools. Default: two per processor, at least four.
    pub concurrency: u32,
    /// How many deliveries of a pool may be unsettled. Default: up to four per item that it runs at once, fewer where
    /// items may take long.
    pub prefetch: Option<u16>,
    /// How many report queues the deployment has.
    pub shards: u16,
    /// What it can handle, by configuration.
    pub job_types: Arc<JobTypes>,
    /// What it can handle besides, in this process: wins over the configuration.
    pub handlers: Registry,
    /// Longer outputs go to object storage, in bytes. Default 32 KiB.
    pub inline_output_bytes: usize,
    /// The most bytes of files of an item, where its handler's settings do not say it. Default 1 GiB.
    pub max_artifact_bytes: u64,
    /// How often it says what it does, while that changes. Default: every second.
    pub heartbeat: Duration,
    /// What running items get to finish at a shutdown. Default 30 s.
    pub drain: Duration,
    /// An attempt that runs longer than this is told to the ledger, and its delivery settled: no broker holds a delivery
    /// for ever. Default 10 minutes.
    pub lease_after: Duration,
    /// For how long it tells so; it says so again after each third of that. Default 5 minutes.
    pub lease: Duration,
    /// An item that could not be started for so long is given back. Default 5 minutes.
    pub give_back_after: Duration,
    /// Where other workers take from the same queues, what waits here while no slot is freed for so long is given back for
    /// one of them; after twice as long where it comes again, and so on. Default 1 s.
    pub elsewhere_after: Option<Duration>,
    /// Where items are noted while they run, so that the next start knows what this process was killed with. For brokers
    /// that do not count deliveries over a crash.
    pub flight_recorder: Option<PathBuf>,
}

impl Default for Config {
    fn default() -> Self {
        let processors = std::thread::available_parallelism().map_or(2, |n| n.get() as u32);
        Self {
            pools: vec![Pool::default()],
            concurrency: (2 * processors).max(4),
            prefetch: None,
            shards: DEFAULT_SHARDS,
            job_types: Arc::new(JobTypes::builtin()),
            handlers: Registry::default(),
            inline_output_bytes: 32 * 1024,
            max_artifact_bytes: artifact::DEFAULT_MAX_BYTES,
            heartbeat: Duration::from_secs(1),
            drain: Duration::from_secs(30),
            lease_after: Duration::from_secs(600),
            lease: Duration::from_secs(300),
            give_back_after: Duration::from_secs(300),
            elsewhere_after: Some(Duration::from_secs(1)),
            flight_recorder: None,
        }
    }
}

impl Config {
    /// What the types alone can't say.
    pub(crate) fn check(&self) -> Result<(), Error> {
        let problem = match (self.pools.as_slice(), self.concurrency) {
            ([], _) => "a worker must belong to at least one pool",
            (_, 0) => "a worker's concurrency must be at least 1",
            _ => return Ok(()),
        };
        Err(Error::misconfigured(ENGINE, problem))
    }

    /// When items that take long are leased.
    pub(crate) fn terms(&self) -> Terms {
        Terms {
            after: self.lease_after,
            // Renewed at each third of it.
            ttl: self.lease.max(Duration::from_millis(30)),
        }
    }

    /// Deliveries of a pool that may be unsettled: up to four per slot, so that fast items never wait for the broker;
    /// fewer where items may take long, because what waits here can't run elsewhere [meanwhile](AHEAD).
    pub(crate) fn prefetch(&self) -> u16 {
        let longest = self
            .job_types
            .iter()
            .map(|(_, job_type)| job_type.timeout)
            .max()
            .unwrap_or_default();
        // A prefetched item may have to wait for those before it, of every pool.
        let rounds = AHEAD.as_secs() / (longest.as_secs().max(1) * self.pools.len().max(1) as u64);
        let per_slot = u32::try_from(rounds.clamp(1, 4)).unwrap_or(1);
        let ahead = self
            .concurrency
            .saturating_mul(per_slot)
            .min(300)
            .max(self.concurrency);
        let default = u16::try_from(ahead).unwrap_or(u16::MAX);
        self.prefetch.unwrap_or(default).max(1)
    }
}

/// What is taken ahead could start within this time, were every item to use all of its own. What can't start for
/// [longer](Config::give_back_after) than it was taken for is given back.
const AHEAD: Duration = Duration::from_secs(25 * 60);

#[cfg(test)]
mod tests {
    use flotilla_core::job_type::{HandlerSpec, JobType};

    use super::*;

    fn prefetch(concurrency: u32, timeout_s: u64, pools: usize) -> u16 {
        let mut slow = JobType::new(HandlerSpec::Echo {});
        slow.timeout = Duration::from_secs(timeout_s);
        let mut job_types = JobTypes::default();
        job_types.insert("slow", slow);
        let config = Config {
            concurrency,
            job_types: Arc::new(job_types),
            pools: vec![Pool::default(); pools],
            ..Config::default()
        };
        config.prefetch()
    }

    #[test]
    fn prefetch_follows_concurrency() {
        assert_eq!(
            [1, 10, 200, 1_000, 100_000].map(|n| prefetch(n, 30, 1)),
            [4, 40, 300, 1_000, u16::MAX]
        );
        let told = |prefetch| {
            Config {
                prefetch,
                ..Config::default()
            }
            .prefetch()
        };
        assert_eq!(told(Some(3)), 3);
        assert_eq!(told(Some(0)), 1, "0 would mean no limit");
    }

    #[test]
    fn long_items_are_not_hoarded() {
        assert_eq!(
            [300, 600, 1_500, 7 * 86_400].map(|timeout_s| prefetch(10, timeout_s, 1)),
            [40, 20, 10, 10]
        );
        assert_eq!(prefetch(10, 300, 2), 20, "pools share the slots");
    }
}

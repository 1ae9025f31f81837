//! Configuration: read in layers, checked once, then passed down as plain values.
//!
//! [`Raw`](raw::Raw) is what was written; [`Settings`] is what was meant. A section has a file here, with both its raw
//! form and the rules that turn it into settings. `docs/configuration.md` describes every one of them.

mod api;
mod engines;
mod environment;
mod keys;
mod layers;
mod listen;
mod overrides;
mod problem;
mod public_url;
mod raw;
mod retention;
mod schemas;
mod spaces;
mod telemetry;
mod worker;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use flotilla_api::Schemas;
use flotilla_core::job_type::JobTypes;
use flotilla_core::limits::Ceilings;
use flotilla_core::ports::broker::Topology;
use flotilla_core::shard::DEFAULT_SHARDS;

pub(crate) use self::api::ApiSettings;
pub(crate) use self::engines::Engines;
pub(crate) use self::environment::Environment;
use self::layers::Layers;
pub(crate) use self::layers::Sources;
pub(crate) use self::listen::Listen;
pub(crate) use self::overrides::Overrides;
pub(crate) use self::problem::{Invalid, Problem};
pub(crate) use self::public_url::PublicUrl;
use self::raw::{Period, Raw};
pub(crate) use self::spaces::SpaceSettings;
pub(crate) use self::telemetry::{DEFAULT_LOG, TelemetrySettings};
pub(crate) use self::worker::WorkerSettings;

/// Everything that can be configured, checked.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    /// The engine behind each port.
    pub(crate) engines: Engines,
    /// Where the embedded engines keep their data.
    pub(crate) data: PathBuf,
    /// Where the API listens.
    pub(crate) listen: Listen,
    /// Where it is reached by those who call back.
    pub(crate) public_url: PublicUrl,
    /// How many report queues there are.
    pub(crate) shards: u16,
    /// How long to wait for engines at start.
    pub(crate) wait: Duration,
    /// How long running items may take to finish at shutdown.
    pub(crate) drain: Duration,
    /// How long a batch that stays open may be untouched.
    pub(crate) open_ttl: Duration,
    /// How long batches are kept after their end; without it, for ever.
    pub(crate) keep: Option<Duration>,
    /// How long workers may take to stop items of a batch that is being cancelled.
    pub(crate) cancel_grace: Duration,
    /// What a process says about itself.
    pub(crate) telemetry: TelemetrySettings,
    /// How much a worker does.
    pub(crate) worker: WorkerSettings,
    /// How much the API accepts.
    pub(crate) api: ApiSettings,
    /// What batches may ask for.
    pub(crate) job_types: JobTypes,
    /// What items of those look like.
    pub(crate) schemas: Arc<Schemas>,
    /// How much of the fleet spaces get.
    pub(crate) spaces: SpaceSettings,
}

/// An append may be silent for half of that.
const SHORTEST_OPEN_TTL: Duration = Duration::from_secs(60);

/// The most report queues: each is a task and a consumer in every scheduler.
const MAX_SHARDS: u16 = 64;

impl Settings {
    /// Reads and checks them.
    pub(crate) fn load(sources: &Sources) -> Result<Self, Problem> {
        let layers = Layers::read(sources)?;
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let mut raw = layers.extract()?;
        let folder = layers.folder();
        let read = schemas::read(&mut raw.job_types, &folder).map_err(|why| Invalid::new("job_types", why));
        let validated = read.and_then(|()| Self::validate(raw, u32::try_from(cores).unwrap_or(1)));
        validated.map_err(|invalid| {
            let origin = layers.origin(invalid.path);
            let place = origin
                .map(|origin| format!(" (from {origin})"))
                .unwrap_or_default();
            Problem::new(format!("`{}`{place}: {}", invalid.path, invalid.reason))
        })
    }

    fn validate(raw: Raw, cores: u32) -> Result<Self, Invalid> {
        let data = raw
            .data
            .clone()
            .unwrap_or_else(|| PathBuf::from("./flotilla-data"));
        let mut job_types = JobTypes::builtin();
        job_types.extend(raw.job_types.clone());
        job_types
            .validate()
            .map_err(|error| Invalid::new("job_types", error.to_string()))?;
        let schemas =
            Schemas::compile(&job_types).map_err(|error| Invalid::new("job_types", error.to_string()))?;
        let keep = raw.keep.map(|period| period.0);
        let spaces = SpaceSettings::validate(raw.spaces.clone())?;
        let retention = raw.retention.validate(keep, &spaces)?;
        Ok(Self {
            engines: Engines::validate(&raw, &data)?,
            listen: Listen::validate(raw.listen.as_deref(), raw.listen_public)?,
            shards: shards(raw.shards)?,
            wait: raw.wait.map_or(Duration::from_secs(30), |period| period.0),
            public_url: PublicUrl::validate(raw.public_url.as_deref())?,
            drain: raw.drain.map_or(Duration::from_secs(30), |period| period.0),
            open_ttl: open_ttl(raw.open_ttl)?,
            keep,
            cancel_grace: raw
                .cancel_grace
                .map_or(Duration::from_secs(10), |period| period.0),
            telemetry: TelemetrySettings::validate(raw.log, raw.otlp_endpoint.as_deref())?,
            worker: raw.worker.validate(cores)?,
            api: ApiSettings {
                retention,
                ..raw.api.validate()?
            },
            spaces,
            data,
            job_types,
            schemas: Arc::new(schemas),
        })
    }

    /// The queues of this deployment.
    pub(crate) fn topology(&self) -> Topology {
        Topology {
            pools: self.worker.all_pools(&self.job_types),
            shards: self.shards,
        }
    }

    /// What spaces and job types may have in flight, over all batches.
    pub(crate) fn ceilings(&self) -> Ceilings {
        let mut ceilings = Ceilings::default();
        self.job_types.add_ceilings(&mut ceilings);
        self.spaces.add_ceilings(&mut ceilings);
        ceilings
    }
}

fn open_ttl(given: Option<Period>) -> Result<Duration, Invalid> {
    let ttl = given.map_or(Duration::from_secs(24 * 3600), |period| period.0);
    if ttl < SHORTEST_OPEN_TTL {
        return Err(Invalid::new(
            "open_ttl",
            "must be at least \"1m\": batches that somebody still appends to would be removed",
        ));
    }
    Ok(ttl)
}

fn shards(given: Option<u16>) -> Result<u16, Invalid> {
    let shards = given.unwrap_or(DEFAULT_SHARDS);
    if (1..=MAX_SHARDS).contains(&shards) {
        Ok(shards)
    } else {
        Err(Invalid::new(
            "shards",
            format!("must be 1 to {MAX_SHARDS}, not {shards}"),
        ))
    }
}

#[cfg(test)]
mod tests;

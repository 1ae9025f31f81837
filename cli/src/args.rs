//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::commands::append::Append;
use crate::commands::audit::Audit;
use crate::commands::cancel::Cancel;
use crate::commands::completions::Completions;
use crate::commands::dead_letters::DeadLetters;
use crate::commands::download::Download;
use crate::commands::errors::Errors;
use crate::commands::explain::Explain;
use crate::commands::get::Get;
use crate::commands::history::History;
use crate::commands::items::Items;
use crate::commands::ls::Ls;
use crate::commands::pause::Pause;
use crate::commands::result::ResultOf;
use crate::commands::resume::Resume;
use crate::commands::retry::Retry;
use crate::commands::rm::Rm;
use crate::commands::run::Run;
use crate::commands::seal::Seal;
use crate::commands::set::Set;
use crate::commands::skipped::Skipped;
use crate::commands::start::Start;
use crate::commands::submit::Submit;
use crate::commands::top::Top;
use crate::commands::watch::Watch;
use crate::commands::workers::Workers;
use crate::settings::{Environment, Overrides, Sources};

const EXAMPLES: &str = "\
Examples:
  flotilla run images.csv --exec './thumb.sh {path}'      process a file here and now
  flotilla up                                             start a server with everything in it
  flotilla submit images.ndjson --job-type echo --watch   send it a batch
  flotilla top                                            see and steer all batches

Settings: flags over FLOTILLA_* variables over flotilla.toml; see docs/configuration.md.";

/// A fleet of workers for batches of items: distributed over RabbitMQ, Redis and PostgreSQL, or all in one process
#[derive(Debug, Parser)]
#[command(name = "flotilla", version, after_help = EXAMPLES, max_term_width = 110)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Flags of every command.
#[derive(Debug, Args)]
pub(crate) struct Global {
    /// The configuration [default: ./flotilla.toml if it exists]
    #[arg(
        long,
        global = true,
        env = "FLOTILLA_CONFIG",
        value_name = "PATH",
        help_heading = "Configuration"
    )]
    config: Option<PathBuf>,
    /// What is logged to stderr, for example `debug` or `info,flotilla_worker=debug` (FLOTILLA_LOG)
    #[arg(long, global = true, value_name = "FILTER", help_heading = "Configuration")]
    log: Option<String>,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// All roles in one process; needs no servers
    Up(Up),
    /// One role: takes batches in, answers questions, publishes items
    Api(Api),
    /// One role: runs items; any number of them
    Worker(Worker),
    /// One role: counts outcomes and finalizes batches
    Scheduler(Scheduler),
    /// Brings the schema and the queues of a deployment up to date
    Migrate(Migrate),
    Run(Run),
    Submit(Box<Submit>),
    Ls(Ls),
    Get(Get),
    Watch(Watch),
    Top(Top),
    Items(Items),
    Download(Download),
    Skipped(Skipped),
    Result(ResultOf),
    Errors(Errors),
    Explain(Explain),
    History(History),
    Audit(Audit),
    Start(Start),
    Pause(Pause),
    Resume(Resume),
    Cancel(Cancel),
    Set(Set),
    Retry(Retry),
    Append(Append),
    Seal(Seal),
    Rm(Rm),
    DeadLetters(DeadLetters),
    Workers(Workers),
    Completions(Completions),
}

/// Where the engines are.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Engines")]
struct EngineFlags {
    /// postgres://… or sqlite://path (FLOTILLA_STORE_URL)
    #[arg(long, value_name = "URL")]
    store_url: Option<String>,
    /// amqp://… or embedded: (FLOTILLA_BROKER_URL)
    #[arg(long, value_name = "URL")]
    broker_url: Option<String>,
    /// redis://… or embedded: (FLOTILLA_PROGRESS_URL)
    #[arg(long, value_name = "URL")]
    progress_url: Option<String>,
    /// file://path, s3://…, gs://… or az://… (FLOTILLA_OBJECTS_URL)
    #[arg(long, value_name = "URL")]
    objects_url: Option<String>,
    /// How many report queues there are; the same for every process (FLOTILLA_SHARDS) [default: 2]
    #[arg(long, value_name = "N")]
    shards: Option<u16>,
    /// How long to wait for engines at start (FLOTILLA_WAIT) [default: 30s]
    #[arg(long, value_name = "DURATION")]
    wait: Option<String>,
    /// How long running items may take to finish at shutdown (FLOTILLA_DRAIN) [default: 30s]
    #[arg(long, value_name = "DURATION")]
    drain: Option<String>,
    /// Where traces go, as OTLP over HTTP (FLOTILLA_OTLP_ENDPOINT)
    #[arg(long, value_name = "URL")]
    otlp_endpoint: Option<String>,
}

/// What a worker does.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Worker")]
struct WorkerFlags {
    /// Items that run at once (FLOTILLA_WORKER_CONCURRENCY) [default: 4 per core, at least 8]
    #[arg(long, value_name = "N")]
    concurrency: Option<u32>,
    /// Items fetched ahead, per pool (FLOTILLA_WORKER_PREFETCH) [default: up to 4 per item that runs, at most 300]
    #[arg(long, value_name = "N")]
    prefetch: Option<u16>,
    /// The fleets that it belongs to, with commas (FLOTILLA_WORKER_POOLS)
    #[arg(long, value_name = "NAMES")]
    pools: Option<String>,
}

const UP_HELP: &str = "\
Keeps everything in the data folder: an SQLite database and artifacts. URLs replace single engines, for example
--progress-url redis://… for the live view. A PostgreSQL store needs a broker that can be shared, too.
Listens on a loopback address only.";

#[derive(Debug, Args)]
#[command(after_help = UP_HELP)]
pub(crate) struct Up {
    /// Where to listen (FLOTILLA_LISTEN) [default: 127.0.0.1:7400]
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<String>,
    /// Where those who call back reach the API (FLOTILLA_PUBLIC_URL) [default: http:// and where it listens]
    #[arg(long, value_name = "URL")]
    public_url: Option<String>,
    /// Where embedded engines keep their data (FLOTILLA_DATA) [default: ./flotilla-data]
    #[arg(long, value_name = "FOLDER")]
    data: Option<String>,
    #[command(flatten)]
    worker: WorkerFlags,
    #[command(flatten)]
    engines: EngineFlags,
}

#[derive(Debug, Args)]
pub(crate) struct Api {
    /// Where to listen (FLOTILLA_LISTEN) [default: 127.0.0.1:7400]
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<String>,
    /// Allow an address that others can reach: there is no TLS and no authentication (FLOTILLA_LISTEN_PUBLIC)
    #[arg(long)]
    listen_public: bool,
    /// Where those who call back reach the API (FLOTILLA_PUBLIC_URL) [default: http:// and where it listens]
    #[arg(long, value_name = "URL")]
    public_url: Option<String>,
    #[command(flatten)]
    engines: EngineFlags,
}

#[derive(Debug, Args)]
pub(crate) struct Worker {
    #[command(flatten)]
    worker: WorkerFlags,
    #[command(flatten)]
    engines: EngineFlags,
}

#[derive(Debug, Args)]
pub(crate) struct Scheduler {
    #[command(flatten)]
    engines: EngineFlags,
}

#[derive(Debug, Args)]
pub(crate) struct Migrate {
    #[command(flatten)]
    engines: EngineFlags,
}

impl Cli {
    /// Where this process reads its settings from.
    pub(crate) fn sources(&self) -> Sources {
        let flags = Overrides::default().set("log", self.global.log.as_ref());
        Sources {
            file: self.global.config.clone(),
            // Variables that are not UTF-8 can't be settings.
            environment: Environment::new(
                std::env::vars_os()
                    .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?))),
            ),
            flags: self.command.overrides(flags),
        }
    }
}

impl Command {
    fn overrides(&self, flags: Overrides) -> Overrides {
        match self {
            Self::Up(up) => {
                let flags = flags
                    .set("listen", up.listen.as_ref())
                    .set("public_url", up.public_url.as_ref())
                    .set("data", up.data.as_ref());
                up.engines.set(up.worker.set(flags))
            }
            Self::Api(api) => {
                let public = api.listen_public.then_some(true);
                let flags = flags
                    .set("listen", api.listen.as_ref())
                    .set("public_url", api.public_url.as_ref());
                api.engines.set(flags.set("listen_public", public))
            }
            Self::Worker(worker) => worker.engines.set(worker.worker.set(flags)),
            Self::Scheduler(scheduler) => scheduler.engines.set(flags),
            Self::Migrate(migrate) => migrate.engines.set(flags),
            _ => flags,
        }
    }
}

impl EngineFlags {
    fn set(&self, flags: Overrides) -> Overrides {
        flags
            .set("store_url", self.store_url.as_ref())
            .set("broker_url", self.broker_url.as_ref())
            .set("progress_url", self.progress_url.as_ref())
            .set("objects_url", self.objects_url.as_ref())
            .set("shards", self.shards)
            .set("wait", self.wait.as_ref())
            .set("drain", self.drain.as_ref())
            .set("otlp_endpoint", self.otlp_endpoint.as_ref())
    }
}

impl WorkerFlags {
    fn set(&self, flags: Overrides) -> Overrides {
        flags
            .set("worker.concurrency", self.concurrency)
            .set("worker.prefetch", self.prefetch)
            .set("worker.pools", self.pools.as_ref())
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;
    use crate::settings::Settings;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn flags_become_settings() {
        let cli = Cli::parse_from([
            "flotilla",
            "up",
            "--listen",
            "127.0.0.1:1",
            "--concurrency",
            "3",
            "--wait",
            "2m",
        ]);
        let sources = Sources {
            environment: Environment::default(),
            ..cli.sources()
        };
        let settings = Settings::load(&sources).unwrap();
        assert_eq!(settings.listen.address.port(), 1);
        assert_eq!(settings.worker.concurrency, 3);
        assert_eq!(settings.wait.as_secs(), 120);
    }
}

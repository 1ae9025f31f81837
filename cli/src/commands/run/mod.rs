//! `flotilla run`: processes a file here and now.
//!
//! The whole of Flotilla runs in this process, on a loopback port of its own, with its state in a folder that is named
//! after what is to be done: the run is an ordinary batch, sent with an idempotency key. So whatever ends the process,
//! the same command finds its state and goes on.

mod identity;
mod input;
mod job;
mod results;
mod session;
mod state;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use clap::Args;
use flotilla_core::batch::BatchFilter;
use flotilla_core::job_type::{JobType, MAX_ATTEMPTS};
use flotilla_core::{Counts, Space};
use tokio::time::Instant;

use self::identity::{Identity, Parts};
use self::input::Input;
use self::job::{Job, parse_duration};
use self::results::Out;
use self::session::Session;
use self::state::{Base, State};
use crate::client::Client;
use crate::client::upload::{Format, Options};
use crate::exit::Exit;
use crate::output::Form;
use crate::output::meter::Meter;
use crate::roles::{Context, api, fleet};
use crate::settings::{Engines, Settings, WorkerSettings};
use crate::telemetry::Telemetry;

const HELP: &str = "\
Examples:
  flotilla run images.csv --exec './thumb.sh {path}'
  flotilla run urls.txt --exec 'curl -sf {}' --concurrency 20
  flotilla run rows.ndjson --http http://127.0.0.1:9000/enrich --timeout 30s
  flotilla run rows.ndjson --exec 'python3 model.py' --lines     one process per slot, a line in, a line out
  producer | flotilla run - --exec 'jq -c .name' | consumer

The command gets {field} of an item, {} for the whole item, and the item as JSON on stdin; what it prints is the output
(as JSON if it is JSON, else as text). It is split into words like in a shell, but no shell runs without --shell.

Stopped by Ctrl-C, a crash or a power cut, the same command goes on where it was. Exit code: 0 if all items succeeded,
1 if some failed, 2 if it could not run, 130 after Ctrl-C.";

/// Processes a file here and now, without a server. Resumable.
#[derive(Debug, Args)]
#[command(after_help = HELP)]
pub(crate) struct Run {
    /// The items: NDJSON, CSV with a header row, a JSON array, or lines of text; `-` is stdin
    file: PathBuf,
    #[command(flatten)]
    what: What,
    /// Run the command by `sh -c`; items can't inject code into it
    #[arg(long, requires = "exec")]
    shell: bool,
    /// Keep the command running: it reads a line of JSON per item and answers with a line
    #[arg(long, requires = "exec")]
    lines: bool,
    /// A header for --http, 'Name: value'; may be repeated
    #[arg(long, requires = "http", value_name = "HEADER")]
    header: Vec<String>,
    /// How long an item may take: 250ms, 30s, 5m [default: 5m]
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    timeout: Option<Duration>,
    /// How often an item is attempted before it fails [default: 1, or as the job type says]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=i64::from(MAX_ATTEMPTS)))]
    max_attempts: Option<u16>,
    /// Items at once [default: one per core with --exec, else 4 per core]
    #[arg(long, short = 'j', value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    concurrency: Option<u32>,
    /// Where the results go, as NDJSON in the order of the items; `-` is stdout [default: FILE.results.ndjson]
    #[arg(long, short, value_name = "PATH")]
    out: Option<PathBuf>,
    /// What the file consists of [default: by its name, else ndjson]
    #[arg(long, value_enum)]
    format: Option<Format>,
    /// Where the state of unfinished runs is kept [default: ./.flotilla]
    #[arg(long, value_name = "FOLDER")]
    data: Option<PathBuf>,
    /// Start anew even if there is an unfinished run
    #[arg(long)]
    fresh: bool,
    /// Keep the state when the run is complete
    #[arg(long)]
    keep: bool,
    /// Say nothing but errors
    #[arg(long, short)]
    quiet: bool,
    /// Print the summary in words on stderr (table), or as JSON on stdout (json) [default: table]
    #[arg(long, value_enum, value_name = "FORM")]
    output: Option<Form>,
}

/// What to do with an item.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct What {
    /// Run a command per item
    #[arg(long, value_name = "CMD")]
    exec: Option<String>,
    /// POST each item to a URL
    #[arg(long, value_name = "URL")]
    http: Option<String>,
    /// Use a job type of the configuration, or `echo` or `sleep`
    #[arg(long, value_name = "NAME")]
    job_type: Option<String>,
}

impl Run {
    /// Runs the command.
    pub(crate) async fn run(self, settings: Settings, telemetry: &Telemetry) -> Result<Exit> {
        let job = Job::of(&self, &settings.job_types)?;
        let out = Out::of(self.out.as_deref(), &self.file);
        ensure!(
            !(self.is_json() && out == Out::Stdout),
            "results and summary can't both go to stdout: give --out a file"
        );
        out.check()?;
        let base = Base::prepare(self.data.as_deref())?;
        let input = match Input::read(&self.file, self.format, base.folder()) {
            Ok(input) => input,
            Err(error) => {
                base.tidy();
                return Err(error);
            }
        };
        let identity = identify(&input, &job)?;
        let state = State::open(base, &identity, self.fresh)?;
        let meter = Meter::new(self.quiet);
        let context = Context::speaking(telemetry, meter.speaker())?;
        let settings = self.settings(settings, &job, state.folder());
        let (format, file) = (input.format, input.settle(&state)?);
        let place = Place {
            file,
            format,
            key: identity.key().to_owned(),
            job_type: job.name,
            out,
        };
        let ended = self.process(&settings, &context, place, meter).await?;
        if !ended.resumable {
            state.complete(self.keep && ended.exit.is_ok())?;
        }
        ended.exit
    }

    fn is_json(&self) -> bool {
        self.output == Some(Form::Json)
    }

    /// The settings of the fleet: embedded engines in the state's folder, and nothing but this job.
    fn settings(&self, settings: Settings, job: &Job, folder: &Path) -> Settings {
        let concurrency = self
            .concurrency
            .unwrap_or_else(|| job.default_concurrency(settings.worker.concurrency));
        Settings {
            engines: Engines::embedded(folder),
            data: folder.to_owned(),
            shards: 1,
            worker: WorkerSettings {
                concurrency,
                prefetch: None,
                pools: None,
            },
            // Whoever presses Ctrl-C once wants running items to be finished.
            drain: job.job_type.timeout + Duration::from_secs(5),
            job_types: job.types.clone(),
            ..settings
        }
    }

    /// Starts the fleet, has it do the work, and stops it.
    async fn process(
        &self,
        settings: &Settings,
        context: &Context,
        place: Place,
        mut meter: Meter,
    ) -> Result<Ended> {
        let started = Instant::now();
        let engines = fleet::Engines::prepare(settings, context).await?;
        let listener = api::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await?;
        let session = self.session(place, listener.local_addr()?)?;
        let pools = settings.worker.all_pools(&settings.job_types);
        let crew = fleet::start(&engines, settings, context, pools, listener).await?;
        let crew = context.run(crew, settings);
        tokio::pin!(crew);
        let worked = tokio::select! {
            worked = session.work(&mut meter) => Some(worked),
            ended = &mut crew => {
                meter.clear();
                // A role that breaks while everything is being stopped is no news.
                if !context.signals.received() {
                    ended?;
                }
                None
            }
        };
        meter.clear();
        let exit = match worked {
            Some(worked) => {
                context.shutdown.drain();
                let stopped = crew.await;
                match worked {
                    Ok(complete) => {
                        stopped?;
                        return Ok(Ended {
                            exit: session.report(&complete),
                            resumable: false,
                        });
                    }
                    Err(error) => Err(error),
                }
            }
            None => Ok(Exit::Interrupted),
        };
        let counts = counts(&engines).await?;
        if exit.is_ok() {
            meter.say(&session::stopped(counts, started.elapsed()));
        }
        Ok(Ended {
            exit,
            resumable: counts.is_some(),
        })
    }

    fn session(&self, place: Place, address: SocketAddr) -> Result<Session> {
        let base = format!("http://{address}").parse().context("an address")?;
        let name = self
            .file
            .file_name()
            .map(|name| name.to_string_lossy().into_owned());
        Ok(Session {
            client: Client::new(base, None)?,
            file: place.file,
            format: place.format,
            options: Options {
                idempotency_key: Some(place.key),
                ..Options::of(&place.job_type)
                    .set("name", name.filter(|name| !name.contains(char::is_control)))
            },
            out: place.out,
            quiet: self.quiet,
            json: self.is_json(),
        })
    }
}

/// How a run ended.
struct Ended {
    exit: Result<Exit>,
    /// Whether there is something to go on with.
    resumable: bool,
}

/// What comes from where, goes where, and under which name.
struct Place {
    file: PathBuf,
    format: Format,
    key: String,
    job_type: String,
    out: Out,
}

fn identify(input: &Input, job: &Job) -> Result<Identity> {
    let dir = std::env::current_dir().context("can't tell the working directory")?;
    // How fast it goes says nothing about the results.
    let job_type = JobType {
        concurrency: None,
        rate_per_s: None,
        worker_concurrency: None,
        ..job.job_type.clone()
    };
    Identity::of(Parts {
        path: &input.path,
        digest: &input.digest,
        format: input.format,
        dir: &dir,
        name: &job.name,
        job_type: &job_type,
    })
}

/// What became of the batch, if there is one. The API is gone by now: the store knows.
async fn counts(engines: &fleet::Engines) -> Result<Option<Counts>> {
    let newest = engines
        .store
        .batches(&Space::default(), &BatchFilter::default(), 1)
        .await?;
    Ok(newest.first().map(|batch| batch.counts))
}

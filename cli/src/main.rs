//! The `flotilla` binary: configuration, the composition of services and engines, and the commands.
//!
//! * [`args`] is the command line, [`settings`] the configuration in layers.
//! * [`compose`] turns settings into engines: the only place that names an adapter.
//! * [`roles`] are what a process can be; [`lifecycle`] starts and stops them.
//! * [`commands`] are what people do with a server, over [`client`]; [`output`] is what they see.
//! * [`telemetry`] is what a process says about itself.

mod args;
mod client;
mod commands;
mod compose;
mod exit;
mod lifecycle;
mod output;
mod roles;
mod settings;
mod telemetry;

use std::process::ExitCode;

use anyhow::{Context as _, Result};
use clap::Parser;

use crate::args::{Cli, Command};
use crate::compose::Interrupted;
use crate::exit::Exit;
use crate::roles::Context;
use crate::settings::{DEFAULT_LOG, Settings};
use crate::telemetry::Telemetry;

/// What commands log that are not servers: their output is for people.
const COMMAND_LOG: &str = "warn,lapin=off";

fn main() -> ExitCode {
    let _armed = flotilla_core::crash::arm();
    let cli = Cli::parse();
    install_tls();
    let broken = if cli.command.role().is_some() { 1 } else { 2 };
    match run(cli) {
        Ok(exit) => exit.into(),
        // `flotilla ls | head`
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            output::meter::line(&format!("flotilla: {error:#}"));
            ExitCode::from(broken)
        }
    }
}

/// Chooses the implementation of TLS for everything in this process, before anything needs it.
fn install_tls() {
    // Only fails where there is one already.
    let _ = rustls::crypto::ring::default_provider().install_default();
}

fn run(cli: Cli) -> Result<Exit> {
    let settings = Settings::load(&cli.sources())?;
    let (role, filter) = match cli.command.role() {
        Some(role) => (role, DEFAULT_LOG),
        None => ("command", COMMAND_LOG),
    };
    // Ends after the runtime, so that the last spans are there to be sent.
    let telemetry = Telemetry::start(&settings.telemetry, role, filter)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("can't start the runtime")?;
    let may_stop_early = cli.command.is_service();
    let exit = runtime.block_on(cli.command.run(settings, &telemetry));
    let exit = match exit {
        // Whoever stops a service has what they wanted, whether or not its engines were there.
        Err(early) if may_stop_early && early.is::<Interrupted>() => {
            tracing::info!("{early}");
            Ok(Exit::Fine)
        }
        exit => exit,
    };
    // Blocking reads of stdin can't be cancelled.
    runtime.shutdown_background();
    exit
}

impl Command {
    /// Which role this process has, where it is one.
    fn role(&self) -> Option<&'static str> {
        match self {
            Self::Up(_) => Some("up"),
            Self::Api(_) => Some("api"),
            Self::Worker(_) => Some("worker"),
            Self::Scheduler(_) => Some("scheduler"),
            Self::Migrate(_) => Some("migrate"),
            _ => None,
        }
    }

    /// True for what runs until it is told to stop.
    fn is_service(&self) -> bool {
        matches!(
            self,
            Self::Up(_) | Self::Api(_) | Self::Worker(_) | Self::Scheduler(_)
        )
    }

    async fn run(self, settings: Settings, telemetry: &Telemetry) -> Result<Exit> {
        match self {
            Self::Up(_) => roles::up::run(&settings, &Context::new(telemetry)?).await?,
            Self::Api(_) => roles::api::run(&settings, &Context::new(telemetry)?).await?,
            Self::Worker(_) => roles::worker::run(&settings, &Context::new(telemetry)?).await?,
            Self::Scheduler(_) => roles::scheduler::run(&settings, &Context::new(telemetry)?).await?,
            Self::Migrate(_) => roles::migrate::run(&settings, &Context::new(telemetry)?).await?,
            Self::Run(run) => return run.run(settings, telemetry).await,
            Self::Submit(submit) => return submit.run().await,
            Self::Ls(ls) => return ls.run().await,
            Self::Get(get) => return get.run().await,
            Self::Watch(watch) => return watch.run().await,
            Self::Top(top) => return top.run().await,
            Self::Items(items) => return items.run().await,
            Self::Download(download) => return download.run().await,
            Self::Skipped(skipped) => return skipped.run().await,
            Self::Result(result) => return result.run().await,
            Self::Errors(errors) => return errors.run().await,
            Self::Explain(explain) => return explain.run().await,
            Self::Audit(audit) => return audit.run().await,
            Self::History(history) => return history.run().await,
            Self::Start(start) => return start.run().await,
            Self::Pause(pause) => return pause.run().await,
            Self::Resume(resume) => return resume.run().await,
            Self::Cancel(cancel) => return cancel.run().await,
            Self::Set(set) => return set.run().await,
            Self::Retry(retry) => return retry.run().await,
            Self::Append(append) => return append.run().await,
            Self::Seal(seal) => return seal.run().await,
            Self::Rm(rm) => return rm.run().await,
            Self::DeadLetters(letters) => return letters.run().await,
            Self::Workers(workers) => return workers.run().await,
            Self::Completions(completions) => return completions.run(),
        }
        Ok(Exit::Fine)
    }
}

/// True for an error of our own stdout. That of a connection has other errors around it.
fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let io = error.downcast_ref::<std::io::Error>();
    io.is_some_and(|error| error.kind() == std::io::ErrorKind::BrokenPipe)
}

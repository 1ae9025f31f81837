//! Runs a command while the servers are up, and passes on the signals that would otherwise end only one of the two.

use std::ffi::OsString;
use std::future::pending;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, ExitStatus};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use rustix::process::Signal;
use tokio::signal::unix::{Signal as Listener, SignalKind, signal};
use tokio::time::{sleep, timeout};

use super::identity::Identity;

/// How often to look whether the command ended.
const STEP: Duration = Duration::from_millis(20);
/// How long the command may take to obey a signal.
const PATIENCE: Duration = Duration::from_secs(5);

/// The signals that ask this process to end, caught from now on.
#[derive(Debug)]
pub struct Signals {
    interrupt: Listener,
    terminate: Listener,
    hangup: Listener,
    quit: Listener,
}

impl Signals {
    /// Starts to catch them.
    pub fn catch() -> Result<Self> {
        let listen = |kind| signal(kind).context("catching signals");
        Ok(Self {
            interrupt: listen(SignalKind::interrupt())?,
            terminate: listen(SignalKind::terminate())?,
            hangup: listen(SignalKind::hangup())?,
            quit: listen(SignalKind::quit())?,
        })
    }

    /// Waits for the next one.
    pub async fn next(&mut self) -> Signal {
        tokio::select! {
            Some(()) = self.interrupt.recv() => Signal::INT,
            Some(()) = self.terminate.recv() => Signal::TERM,
            Some(()) = self.hangup.recv() => Signal::HUP,
            Some(()) = self.quit.recv() => Signal::QUIT,
            else => pending().await,
        }
    }
}

/// The exit code by which shells report that a signal ended a command.
#[must_use]
pub fn exit_code_of(signal: Signal) -> u8 {
    u8::try_from(128 + signal.as_raw()).unwrap_or(u8::MAX)
}

/// Runs a command to its end and returns its exit code.
///
/// A signal goes to the command and to everything that it started, because `cargo test` does not pass it on to the tests.
pub async fn run(command: &[OsString], env: &[(&str, String)], signals: &mut Signals) -> Result<u8> {
    let (program, arguments) = command.split_first().context("there is no command")?;
    let mut command = Command::new(program);
    command.args(arguments);
    forget_package(&mut command);
    command.envs(env.iter().map(|(name, value)| (name, value)));
    let mut child = command
        .spawn()
        .with_context(|| format!("starting {}", program.display()))?;
    tokio::select! {
        status = ended(&mut child) => status.map(exit_code),
        signal = signals.next() => {
            stop(&mut child, signal).await?;
            Ok(exit_code_of(signal))
        }
    }
}

/// `cargo run` describes the package of this program in variables, on which some build scripts depend. A `cargo test` that
/// sees them builds a great deal again, and so does the next one that does not.
fn forget_package(command: &mut Command) {
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy();
        if name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_") {
            command.env_remove(&*name);
        }
    }
}

/// Signals the command and everything that it started, and kills what does not obey.
async fn stop(child: &mut Child, signal: Signal) -> Result<()> {
    let mut processes = Vec::new();
    for signal in [signal, Signal::KILL] {
        // Remembered from one round to the next: what lost its parent is nobody's descendant any more.
        processes.extend(tree(child));
        processes.iter().for_each(|process| process.signal(signal));
        if timeout(PATIENCE, all_ended(child, &processes)).await.is_ok() {
            return Ok(());
        }
    }
    bail!("the command did not end")
}

fn tree(child: &Child) -> Vec<Identity> {
    let root = Identity::of(child.id());
    root.into_iter()
        .chain(root.into_iter().flat_map(Identity::descendants))
        .collect()
}

async fn all_ended(child: &mut Child, processes: &[Identity]) {
    while child.try_wait().is_ok_and(|status| status.is_none())
        || processes.iter().any(|one| one.is_running())
    {
        sleep(STEP).await;
    }
}

async fn ended(child: &mut Child) -> Result<ExitStatus> {
    loop {
        if let Some(status) = child.try_wait().context("waiting for the command")? {
            return Ok(status);
        }
        sleep(STEP).await;
    }
}

fn exit_code(status: ExitStatus) -> u8 {
    let by_signal = status.signal().map(|signal| 128 + signal);
    status
        .code()
        .or(by_signal)
        .and_then(|code| u8::try_from(code).ok())
        .unwrap_or(u8::MAX)
}

//! Runs a command while the servers are up, and passes on the signals that would otherwise end only one of the two.

use std::ffi::OsString;
use std::future::pending;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, ExitStatus, id};
use std::time::Duration;

use anyhow::{Context, Result};
use rustix::process::Signal;
use tokio::signal::unix::{Signal as Listener, SignalKind, signal};
use tokio::time::{sleep, timeout};

use super::identity::Identity;

/// How often to look whether the command ended.
const STEP: Duration = Duration::from_millis(20);
/// How long the command may take to obey a signal.
const PATIENCE: Duration = Duration::from_secs(10);

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
    let mut child = Command::new(program)
        .args(arguments)
        .envs(env.iter().map(|(name, value)| (name, value)))
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

async fn stop(child: &mut Child, signal: Signal) -> Result<()> {
    for signal in [signal, Signal::TERM] {
        signal_all(signal);
        if let Ok(status) = timeout(PATIENCE, ended(child)).await {
            status?;
            break;
        }
    }
    signal_all(Signal::KILL);
    child.wait().context("waiting for the command").map(drop)
}

/// Signals the command and what it started: children of this process, except for the servers, which lead their own groups.
fn signal_all(signal: Signal) {
    let Some(this) = Identity::of(id()) else { return };
    this.descendants_in_same_group().into_iter().for_each(|process| process.signal(signal));
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
    status.code().or(by_signal).and_then(|code| u8::try_from(code).ok()).unwrap_or(u8::MAX)
}

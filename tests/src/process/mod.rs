//! Flotilla as real processes, so that tests can kill them.

mod binary;
mod command;
mod log;
mod terminal;

use std::process::{Child, ExitStatus};
use std::time::Duration;
use std::{fs, thread};

use rustix::process::{Pid, Resource, Rlimit, kill_process, prlimit};
use tokio::time::{Instant, sleep};

pub use command::{FlotillaCommand, Output};
pub use rustix::process::Signal;
pub use terminal::Terminal;

use crate::servers::Recorded;
use log::Logs;

/// How long a process may take to end after SIGTERM.
const SHUTDOWN: Duration = Duration::from_secs(30);
/// How often to look at it.
const STEP: Duration = Duration::from_millis(20);
/// How many lines of the log a failing test shows.
const SHOWN: usize = 60;

/// A running `flotilla` process. It is killed on drop, and shows the end of its log where the test fails.
#[derive(Debug)]
pub struct Flotilla {
    child: Child,
    status: Option<ExitStatus>,
    name: String,
    logs: Logs,
    recorded: Option<Recorded>,
}

impl Flotilla {
    /// The beginning of a command line: `Flotilla::command(["up", "--listen", "127.0.0.1:0"])`.
    pub fn command<I, S>(arguments: I) -> FlotillaCommand
    where
        I: IntoIterator<Item = S>,
        S: Into<String>,
    {
        FlotillaCommand::new(arguments.into_iter().map(Into::into).collect())
    }

    /// The pid. It stays the same after the end of the process, when it may be somebody else's.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Everything that the process wrote to standard output and then, apart from that, to standard error.
    #[must_use]
    pub fn log(&self) -> String {
        self.logs.read()
    }

    /// What the process wrote to standard output.
    #[must_use]
    pub fn stdout(&self) -> String {
        self.logs.stdout()
    }

    /// How the process ended, or `None` while it runs.
    pub fn exited(&mut self) -> Option<ExitStatus> {
        if self.status.is_none() {
            self.status = self.child.try_wait().expect("a child can be looked at");
        }
        if self.status.is_some() {
            self.recorded = None;
        }
        self.status
    }

    /// Waits until the log contains a text, and returns the whole line.
    ///
    /// # Panics
    ///
    /// After `timeout`, and where the process ends without having written it.
    pub async fn wait_for_log(&mut self, text: &str, timeout: Duration) -> String {
        let logs = self.logs.clone();
        let line = || {
            let line = logs
                .read()
                .lines()
                .find(|line| line.contains(text))
                .map(str::to_owned);
            async move { line }
        };
        self.wait_until(&format!("`{text}` in the log"), timeout, line)
            .await
    }

    /// Waits until `probe` returns `Some`, and returns what is in it. `what` completes the sentence "waiting for …".
    ///
    /// # Panics
    ///
    /// After `timeout`, and where the process ends before.
    pub async fn wait_until<T, F, P>(&mut self, what: &str, timeout: Duration, mut probe: F) -> T
    where
        F: FnMut() -> P,
        P: Future<Output = Option<T>>,
    {
        let deadline = Instant::now() + timeout;
        loop {
            // Asked before the probe: what a process does last counts, even where it ended since.
            let ended = self.exited();
            if let Ok(Some(value)) = tokio::time::timeout_at(deadline, probe()).await {
                return value;
            }
            if let Some(status) = ended {
                panic!(
                    "{} ended with {status} while a test was waiting for {what}",
                    self.name
                );
            }
            if Instant::now() >= deadline {
                panic!("gave up after {timeout:?}, waiting for {what} of {}", self.name);
            }
            sleep(STEP).await;
        }
    }

    /// Waits for the end of the process.
    ///
    /// # Panics
    ///
    /// After `timeout`. The process goes on until this value is dropped.
    pub async fn wait(&mut self, timeout: Duration) -> ExitStatus {
        let deadline = Instant::now() + timeout;
        loop {
            if let Some(status) = self.exited() {
                return status;
            }
            assert!(
                Instant::now() < deadline,
                "{} did not end within {timeout:?}",
                self.name
            );
            sleep(STEP).await;
        }
    }

    /// Sends a signal, for example [`Signal::STOP`] to freeze the process and [`Signal::CONT`] to let it continue.
    ///
    /// Nothing happens where the process was seen to end, because its pid may be somebody else's by now.
    pub fn signal(&self, signal: Signal) {
        if self.status.is_none() {
            kill_process(Pid::from_child(&self.child), signal)
                .expect("a child can be signalled until it is waited for");
        }
    }

    /// Lets no file of the process become longer than this, or as long as it likes. It has to
    /// [ignore](FlotillaCommand::ignoring_file_limits) the signal that comes with it.
    pub fn limit_files(&self, bytes: Option<u64>) {
        let limit = Rlimit {
            current: bytes,
            maximum: None,
        };
        prlimit(Some(Pid::from_child(&self.child)), Resource::Fsize, limit)
            .expect("the limits of a child can be changed");
    }

    /// Asks the process to end with SIGTERM, and waits until it did.
    ///
    /// # Panics
    ///
    /// Where that takes longer than 30 seconds.
    pub async fn terminate(&mut self) -> ExitStatus {
        self.signal(Signal::TERM);
        self.wait(SHUTDOWN).await
    }

    /// Ends the process with SIGKILL, as a crash of the machine would.
    pub fn kill(&mut self) {
        if self.exited().is_none() {
            self.child.kill().expect("a child can be killed");
            self.status = self.child.wait().ok();
            self.recorded = None;
        }
    }

    /// The most memory that the process ever had resident, in bytes.
    #[must_use]
    pub fn rss_peak_bytes(&self) -> u64 {
        self.memory("VmHWM:")
    }

    /// The memory that the process has resident now, in bytes.
    #[must_use]
    pub fn rss_bytes(&self) -> u64 {
        self.memory("VmRSS:")
    }

    fn memory(&self, field: &str) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix(field));
        let kilobytes = line.and_then(|line| line.trim().trim_end_matches("kB").trim().parse::<u64>().ok());
        kilobytes.unwrap_or_else(|| panic!("{} has no {field} in /proc: does it still run?", self.name))
            * 1024
    }
}

impl Drop for Flotilla {
    fn drop(&mut self) {
        // Not `kill`, which panics where it fails: a panic during a panic would hide the first one.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if thread::panicking() {
            eprintln!(
                "--- the last lines of {} ---\n{}\n---",
                self.name,
                self.logs.last_lines(SHOWN)
            );
        }
    }
}

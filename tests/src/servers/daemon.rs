//! One process of a server.

use std::fs::{self, File, OpenOptions};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use std::os::unix::process::CommandExt;

use rustix::process::{Pid, Signal, kill_process};
use tokio::time::sleep;

use super::record::Recorded;

const STEP: Duration = Duration::from_millis(10);
/// How many steps a process may take to stop.
const PATIENCE: u32 = 2_000;

/// A process with a log file and a pid file, that never outlives this value.
#[derive(Debug)]
pub(super) struct Daemon {
    name: &'static str,
    /// Stops it at once without leaving anything behind in the system; its data is of no use afterwards.
    abandon: Signal,
    /// The folder of all servers, which has the pid files.
    root: PathBuf,
    log: PathBuf,
    child: Option<Child>,
    recorded: Option<Recorded>,
}

impl Daemon {
    pub(super) fn new(name: &'static str, abandon: Signal, root: &Path, folder: &Path) -> Self {
        let log = folder.join(format!("{name}.log"));
        Self {
            name,
            abandon,
            root: root.to_owned(),
            log,
            child: None,
            recorded: None,
        }
    }

    /// Starts the process in a group of its own, so that Ctrl-C in a terminal reaches it only through its owner.
    pub(super) fn launch(&mut self, mut command: Command) -> Result<()> {
        if self.exited()?.is_none() && self.child.is_some() {
            bail!("{} is running already", self.name);
        }
        let log = self.open_log()?;
        command
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .process_group(0);
        let program = command.get_program().display().to_string();
        let child = command.spawn().with_context(|| format!("starting {program}"))?;
        self.recorded = Recorded::write(&self.root, self.name, child.id(), self.abandon)?;
        self.child = Some(child);
        Ok(())
    }

    pub(super) fn pid(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    /// How the process ended, where it did.
    pub(super) fn exited(&mut self) -> Result<Option<ExitStatus>> {
        let Some(child) = &mut self.child else {
            return Ok(None);
        };
        let status = child
            .try_wait()
            .with_context(|| format!("looking at {}", self.name))?;
        if status.is_some() {
            self.child = None;
            self.recorded = None;
        }
        Ok(status)
    }

    /// Only while the process was not waited for, so that its pid is surely still its own.
    pub(super) fn signal(&self, signal: Signal) {
        if let Some(child) = &self.child {
            let _ = kill_process(Pid::from_child(child), signal);
        }
    }

    /// Waits until no thread runs any more. The signal stops them through one of them, which has to get a processor first;
    /// on a busy machine the others go on until then.
    pub(super) async fn stopped(&self) {
        let Some(child) = &self.child else { return };
        let tasks = format!("/proc/{}/task", child.id());
        let is_stopped = |task: fs::DirEntry| {
            let stat = fs::read_to_string(task.path().join("stat")).unwrap_or_default();
            // The name before the state may contain anything.
            stat.rsplit_once(") ")
                .is_none_or(|(_, rest)| rest.starts_with('T'))
        };
        for _ in 0..PATIENCE {
            let mut tasks = fs::read_dir(&tasks).into_iter().flatten().flatten();
            if tasks.all(is_stopped) {
                return;
            }
            sleep(STEP).await;
        }
    }

    /// Sends a signal that ends the process, and waits until it did.
    pub(super) async fn end(&mut self, signal: Signal) -> Result<()> {
        self.signal(Signal::CONT);
        self.signal(signal);
        for _ in 0..PATIENCE {
            if self.child.is_none() || self.exited()?.is_some() {
                return Ok(());
            }
            sleep(STEP).await;
        }
        self.kill_and_wait();
        bail!(
            "{} did not stop on {signal:?} and was killed. Its log ends with:\n{}",
            self.name,
            self.log_tail()
        )
    }

    /// The last lines of its log.
    pub(super) fn log_tail(&self) -> String {
        let log = fs::read(&self.log).unwrap_or_default();
        let log = String::from_utf8_lossy(&log);
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(40)..].join("\n")
    }

    fn open_log(&self) -> Result<File> {
        let log = OpenOptions::new().create(true).append(true).open(&self.log);
        log.with_context(|| format!("opening {}", self.log.display()))
    }

    fn kill_and_wait(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
        self.recorded = None;
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.signal(Signal::CONT);
        self.signal(self.abandon);
        for _ in 0..PATIENCE {
            if self.child.is_none() || self.exited().is_ok_and(|status| status.is_some()) {
                return;
            }
            std::thread::sleep(STEP);
        }
        self.kill_and_wait();
    }
}

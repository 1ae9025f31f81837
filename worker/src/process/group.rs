//! A process and everything that it starts.

use std::io;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group, test_kill_process_group};
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};
use tokio::time::{sleep, timeout};

use super::{KILL_WAIT, TERM_GRACE};

/// A process that leads a process group of its own. Dropping it kills the group at once; [`terminate`](Self::terminate)
/// asks it to end first. A descendant that leaves the group on purpose (`setsid`) leaves our reach too.
#[derive(Debug)]
pub(crate) struct Group {
    leader: Child,
    id: Option<Pid>,
    /// Nothing of it is left, and the kernel may give its number to somebody else.
    swept: bool,
}

/// The three pipes of a process.
#[derive(Debug)]
pub(crate) struct Pipes {
    pub(crate) stdin: ChildStdin,
    pub(crate) stdout: ChildStdout,
    pub(crate) stderr: ChildStderr,
}

impl Group {
    /// Starts `command` with all three streams piped.
    pub(crate) fn spawn(mut command: Command) -> io::Result<(Self, Pipes)> {
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            // So that tokio reaps it if this value is dropped.
            .kill_on_drop(true);
        let mut leader = command.spawn()?;
        let pipes = (leader.stdin.take(), leader.stdout.take(), leader.stderr.take());
        let id = leader
            .id()
            .and_then(|id| i32::try_from(id).ok())
            .and_then(Pid::from_raw);
        let group = Self {
            leader,
            id,
            swept: false,
        };
        match pipes {
            (Some(stdin), Some(stdout), Some(stderr)) => Ok((
                group,
                Pipes {
                    stdin,
                    stdout,
                    stderr,
                },
            )),
            _ => Err(io::Error::other("the pipes of a new process are missing")),
        }
    }

    /// Waits until the leader has ended. Others of its group may still run.
    pub(crate) async fn wait(&mut self) -> io::Result<ExitStatus> {
        self.leader.wait().await
    }

    /// How the leader ended, if it has.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        self.leader.try_wait().ok().flatten()
    }

    /// Kills whatever is left of the group. Call it soon after the leader was waited for: its number is not given to
    /// another process before all others have been.
    pub(crate) fn sweep(&mut self) {
        self.signal(Signal::KILL);
        self.swept = true;
    }

    /// SIGTERM, a grace, SIGKILL; then waits for the leader, so that it does not stay a zombie.
    pub(crate) async fn terminate(&mut self) {
        if self.swept {
            return;
        }
        self.signal(Signal::TERM);
        let gone = async {
            // Its exit status interests nobody any more.
            let _ = self.leader.wait().await;
            while self.id.is_some_and(|id| test_kill_process_group(id).is_ok()) {
                sleep(Duration::from_millis(20)).await;
            }
        };
        let _ = timeout(TERM_GRACE, gone).await;
        self.sweep();
        if timeout(KILL_WAIT, self.leader.wait()).await.is_err() {
            tracing::warn!(pid = ?self.id, "a killed process does not end: it hangs in the kernel");
        }
    }

    /// To all of the group. It may be gone already, which is what we want.
    fn signal(&self, signal: Signal) {
        if let Some(id) = self.id.filter(|_| !self.swept) {
            let _ = kill_process_group(id, signal);
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.signal(Signal::KILL);
    }
}

//! A server of any kind, whose life a test controls.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal};
use tokio::time::{Instant, sleep, timeout};

use super::Folder;
use super::daemon::Daemon;

/// How long a server may take to answer after it was started.
const START: Duration = Duration::from_secs(90);
/// How often a start is tried: right after a kill, a predecessor's children may still hold what the successor needs.
const TRIES: u32 = 5;

/// What differs between the servers.
pub trait Engine: Sized + Send {
    /// Its name: of the folder, of the pid file and in messages.
    const NAME: &'static str;
    /// Stops it in good order, with clients or without.
    const STOP: Signal;
    /// Stops it at once, without leaving anything behind in the system.
    const ABANDON: Signal;

    /// Chooses ports and prepares the data in `folder`, which is within `root`.
    fn prepare(root: &Path, folder: &Path) -> impl Future<Output = Result<Self>> + Send;

    /// Starts helpers. Called before every start.
    fn before_start(&mut self) -> impl Future<Output = Result<()>> + Send {
        async { Ok(()) }
    }

    /// The command that runs the server in the foreground.
    fn command(&self) -> Command;

    /// Fails until the server answers.
    fn ready(&self) -> impl Future<Output = Result<()>> + Send;

    /// Where clients connect to.
    fn url(&self) -> String;
}

/// A server that can be stopped, frozen, killed and started again on the same ports with the same data.
///
/// It does not outlive this value.
#[derive(Debug)]
pub struct Server<E: Engine> {
    daemon: Daemon,
    engine: E,
}

impl<E: Engine> Server<E> {
    /// Prepares a server in the folder and starts it.
    pub async fn launch(folder: &Folder) -> Result<Self> {
        let own = folder.make(E::NAME)?;
        let preparing = E::prepare(folder.path(), &own).await;
        let engine = preparing.with_context(|| format!("preparing {}", E::NAME))?;
        let daemon = Daemon::new(E::NAME, E::ABANDON, folder.path(), &own);
        let mut server = Self { daemon, engine };
        server.start().await?;
        Ok(server)
    }

    /// Starts a server that does not run, and returns when it answers.
    pub async fn start(&mut self) -> Result<()> {
        let deadline = Instant::now() + START;
        for tried in 1.. {
            self.engine.before_start().await?;
            self.daemon.launch(self.engine.command())?;
            match self.wait_until_ready(deadline).await {
                Err(_) if self.daemon.pid().is_none() && tried < TRIES => {
                    sleep(Duration::from_millis(300)).await;
                }
                result => return result,
            }
        }
        Ok(())
    }

    /// Stops the server in good order; [`start`](Self::start) continues with the same data.
    pub async fn stop(&mut self) -> Result<()> {
        self.daemon.end(E::STOP).await
    }

    /// Kills the server as a loss of power would.
    pub async fn kill(&mut self) -> Result<()> {
        self.daemon.end(Signal::KILL).await
    }

    /// Freezes the server: connections stay open and nobody answers, from the return of this on.
    pub async fn freeze(&self) {
        self.daemon.signal(Signal::STOP);
        self.daemon.stopped().await;
    }

    /// Lets a frozen server continue.
    pub fn thaw(&self) {
        self.daemon.signal(Signal::CONT);
    }

    /// The pid, while the server runs.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.daemon.pid()
    }

    /// The server and the processes that it has started itself, of which PostgreSQL has one per connection.
    #[must_use]
    pub fn processes(&self) -> Vec<Pid> {
        let Some(main) = self.pid() else {
            return Vec::new();
        };
        let children = fs::read_to_string(format!("/proc/{main}/task/{main}/children")).unwrap_or_default();
        let children = children
            .split_whitespace()
            .filter_map(|pid| pid.parse::<i32>().ok());
        children
            .chain(i32::try_from(main))
            .filter_map(Pid::from_raw)
            .collect()
    }

    /// Where clients connect to; the same after a restart.
    #[must_use]
    pub fn url(&self) -> String {
        self.engine.url()
    }

    /// What only this kind of server has.
    #[must_use]
    pub fn engine(&self) -> &E {
        &self.engine
    }

    /// The same, to change how it starts the next time.
    pub fn engine_mut(&mut self) -> &mut E {
        &mut self.engine
    }

    async fn wait_until_ready(&mut self, deadline: Instant) -> Result<()> {
        loop {
            let answer = timeout(Duration::from_secs(5), self.engine.ready()).await;
            let problem = match answer {
                Ok(Ok(())) => return Ok(()),
                Ok(Err(error)) => format!("{error:#}"),
                Err(_) => "it does not answer".to_owned(),
            };
            if let Some(status) = self.daemon.exited()? {
                bail!(
                    "{} ended with {status} while starting:\n{}",
                    E::NAME,
                    self.daemon.log_tail()
                );
            }
            if Instant::now() >= deadline {
                bail!(
                    "{} is not ready: {problem}. Its log ends with:\n{}",
                    E::NAME,
                    self.daemon.log_tail()
                );
            }
            sleep(Duration::from_millis(50)).await;
        }
    }
}

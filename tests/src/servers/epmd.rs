//! Erlang's register of node names, one per RabbitMQ.
//!
//! The register that Erlang would start by itself is a daemon that every node of the machine shares and that nobody
//! stops. A private one is stopped like any other process, and starts empty: after a kill, no name is still taken.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use rustix::process::Signal;
use tokio::net::TcpStream;
use tokio::time::sleep;

use super::binaries;
use super::daemon::Daemon;
use super::ports::free_port;

/// A private register.
#[derive(Debug)]
pub(super) struct Epmd {
    daemon: Daemon,
    program: PathBuf,
    folder: PathBuf,
    pub(super) port: u16,
}

impl Epmd {
    pub(super) fn new(root: &Path, folder: &Path) -> Result<Self> {
        let daemon = Daemon::new("epmd", Signal::KILL, root, folder);
        Ok(Self {
            daemon,
            program: binaries::EPMD.find()?,
            folder: folder.to_owned(),
            port: free_port(),
        })
    }

    /// Replaces the register by an empty one.
    pub(super) async fn start(&mut self) -> Result<()> {
        self.daemon.end(Signal::KILL).await?;
        let mut command = Command::new(&self.program);
        command
            .args(["-address", "127.0.0.1", "-port", &self.port.to_string()])
            .current_dir(&self.folder);
        self.daemon.launch(command)?;
        self.wait_until_ready().await
    }

    async fn wait_until_ready(&mut self) -> Result<()> {
        let mut problem = None;
        for _ in 0..1_000 {
            let exited = self.daemon.exited()?;
            ensure!(
                exited.is_none(),
                "epmd ended while starting:\n{}",
                self.daemon.log_tail()
            );
            match TcpStream::connect(("127.0.0.1", self.port)).await {
                Ok(_) => return Ok(()),
                Err(error) => problem = Some(error),
            }
            sleep(std::time::Duration::from_millis(10)).await;
        }
        problem.map_or(Ok(()), Err).context("epmd does not answer")
    }
}

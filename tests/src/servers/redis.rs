//! Redis, or Valkey: it keeps nothing, so a restart is a loss of everything.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;
use rustix::process::Signal;

use super::binaries;
use super::ports::free_port;
use super::server::Engine;

/// A Redis server.
#[derive(Debug)]
pub struct Redis {
    program: PathBuf,
    folder: PathBuf,
    port: u16,
}

impl Engine for Redis {
    const NAME: &'static str = "redis";
    const STOP: Signal = Signal::TERM;
    const ABANDON: Signal = Signal::KILL;

    async fn prepare(_root: &Path, folder: &Path) -> Result<Self> {
        Ok(Self {
            program: binaries::REDIS.find()?,
            folder: folder.to_owned(),
            port: free_port(),
        })
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.args([
            "--bind",
            "127.0.0.1",
            "--port",
            &self.port.to_string(),
            "--daemonize",
            "no",
        ]);
        command
            .args(["--save", "", "--appendonly", "no"])
            .arg("--dir")
            .arg(&self.folder);
        command.current_dir(&self.folder);
        command
    }

    async fn ready(&self) -> Result<()> {
        let client = redis::Client::open(self.url())?;
        let mut connection = client.get_multiplexed_async_connection().await?;
        let () = redis::cmd("PING").query_async(&mut connection).await?;
        Ok(())
    }

    fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/", self.port)
    }
}

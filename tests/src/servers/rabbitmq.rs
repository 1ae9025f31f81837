//! RabbitMQ with its management plugin.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use rustix::process::Signal;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::binaries;
use super::epmd::Epmd;
use super::ports::free_port;
use super::server::Engine;
use crate::Management;

/// Statistics every second rather than every five, because tests wait for them. Little disk is enough for tests, and a
/// small write-ahead log keeps little in memory.
const CONFIGURATION: &str = "\
loopback_users = none
collect_statistics_interval = 1000
management.tcp.ip = 127.0.0.1
management.tcp.port = {management_port}
disk_free_limit.absolute = 100MB
raft.wal_max_size_bytes = 67108864
log.console = true
log.console.level = info
log.file = false
";

/// A RabbitMQ server and its private register of node names.
#[derive(Debug)]
pub struct RabbitMq {
    program: PathBuf,
    folder: PathBuf,
    port: u16,
    management_port: u16,
    distribution_port: u16,
    epmd: Epmd,
}

impl Engine for RabbitMq {
    const NAME: &'static str = "rabbitmq";
    const STOP: Signal = Signal::TERM;
    const ABANDON: Signal = Signal::KILL;

    async fn prepare(root: &Path, folder: &Path) -> Result<Self> {
        let rabbitmq = Self {
            program: binaries::RABBITMQ.find()?,
            folder: folder.to_owned(),
            port: free_port(),
            management_port: free_port(),
            distribution_port: free_port(),
            epmd: Epmd::new(root, folder)?,
        };
        rabbitmq.configure().context("configuring RabbitMQ")?;
        Ok(rabbitmq)
    }

    async fn before_start(&mut self) -> Result<()> {
        self.epmd.start().await
    }

    /// "Allow input" makes the script replace itself by the Erlang machine, whose pid is then the one that is known here;
    /// otherwise the script stays in between. The two arguments are what it would add by itself.
    fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.args(["-noinput", "+B", "i"]);
        self.surround(&mut command);
        command
    }

    async fn ready(&self) -> Result<()> {
        self.greet().await?;
        Management::new(&self.management_url(), "/")?.ready().await
    }

    fn url(&self) -> String {
        format!("amqp://guest:guest@127.0.0.1:{}", self.port)
    }
}

impl RabbitMq {
    /// Sets the environment of a program of RabbitMQ.
    fn surround(&self, command: &mut Command) {
        // Nothing of the caller's environment: variables of a RabbitMQ of theirs would change this one.
        command
            .current_dir(&self.folder)
            .env_clear()
            .env("PATH", env::var_os("PATH").unwrap_or_default())
            .env("LANG", "C.UTF-8");
        // Erlang keeps its cookie there.
        command.env("HOME", &self.folder);
        command.env("RABBITMQ_ALLOW_INPUT", "1");
        command.env("RABBITMQ_NODENAME", self.node());
        command.env("RABBITMQ_NODE_IP_ADDRESS", "127.0.0.1");
        command.env("RABBITMQ_NODE_PORT", self.port.to_string());
        command.env("RABBITMQ_DIST_PORT", self.distribution_port.to_string());
        command.env("ERL_EPMD_PORT", self.epmd.port.to_string());
        command.env("ERL_EPMD_ADDRESS", "127.0.0.1");
        // Otherwise every Erlang that starts tries to start a register too, as a daemon; where this one is stopped at
        // that very moment, the daemon would stay.
        command.env("ERL_AFLAGS", "-start_epmd false");
        let loopback_only = "-kernel inet_dist_use_interface {127,0,0,1}";
        command.env("RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS", loopback_only);
        for (name, file) in [
            ("RABBITMQ_MNESIA_BASE", "data"),
            ("RABBITMQ_LOG_BASE", "logs"),
            ("RABBITMQ_SCHEMA_DIR", "schema"),
            ("RABBITMQ_GENERATED_CONFIG_DIR", "generated"),
            ("RABBITMQ_PID_FILE", "rabbitmq.pid"),
            ("RABBITMQ_CONFIG_FILE", "rabbitmq.conf"),
            ("RABBITMQ_ADVANCED_CONFIG_FILE", "advanced.config"),
            ("RABBITMQ_CONF_ENV_FILE", "rabbitmq-env.conf"),
            ("RABBITMQ_ENABLED_PLUGINS_FILE", "enabled_plugins"),
        ] {
            command.env(name, self.folder.join(file));
        }
        command.env("RABBITMQ_LOGS", "-");
    }

    /// Runs `rabbitmqctl` with these arguments, for what the management API can't do.
    pub async fn control(&self, arguments: &[&str]) -> Result<()> {
        let tool = self.program.with_file_name("rabbitmqctl");
        let mut command = Command::new(&tool);
        command.args(arguments);
        self.surround(&mut command);
        // The tool is a node for as long as it runs, and must not listen to other machines either.
        command.env(
            "RABBITMQ_CTL_ERL_ARGS",
            "-kernel inet_dist_use_interface {127,0,0,1}",
        );
        let mut command = tokio::process::Command::from(command);
        command.stdin(Stdio::null()).kill_on_drop(true);
        let output = timeout(Duration::from_secs(60), command.output())
            .await
            .with_context(|| format!("rabbitmqctl {} takes too long", arguments.join(" ")))?;
        let output = output.with_context(|| format!("starting {}", tool.display()))?;
        ensure!(
            output.status.success(),
            "rabbitmqctl {} failed:\n{}{}",
            arguments.join(" "),
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
        Ok(())
    }

    /// The management API, with user and password.
    #[must_use]
    pub fn management_url(&self) -> String {
        format!("http://guest:guest@127.0.0.1:{}", self.management_port)
    }

    /// Raises the memory alarm, or ends it: while it is on, the server takes nothing from those who publish.
    pub async fn alarm(&self, on: bool) -> Result<()> {
        let watermark = if on { "0" } else { "0.4" };
        let mut command = tokio::process::Command::new(self.program.with_file_name("rabbitmqctl"));
        command
            .args(["-n", &self.node(), "set_vm_memory_high_watermark", watermark])
            .current_dir(&self.folder)
            .env_clear()
            .env("PATH", env::var_os("PATH").unwrap_or_default())
            .env("LANG", "C.UTF-8")
            .env("HOME", &self.folder)
            .env("ERL_EPMD_PORT", self.epmd.port.to_string())
            .env("ERL_EPMD_ADDRESS", "127.0.0.1")
            .env("RABBITMQ_CONF_ENV_FILE", self.folder.join("rabbitmq-env.conf"))
            .kill_on_drop(true);
        let output = command.output().await.context("starting rabbitmqctl")?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "rabbitmqctl: {said}");
        Ok(())
    }

    fn node(&self) -> String {
        format!("flotilla-{}@localhost", self.port)
    }

    fn configure(&self) -> Result<()> {
        let configuration = CONFIGURATION.replace("{management_port}", &self.management_port.to_string());
        fs::write(self.folder.join("rabbitmq.conf"), configuration)?;
        fs::write(self.folder.join("rabbitmq-env.conf"), "")?;
        fs::write(self.folder.join("enabled_plugins"), "[rabbitmq_management].\n")?;
        Ok(())
    }

    /// The first words of AMQP 0-9-1: a header from the client, then a method frame, which is type 1, from the server.
    async fn greet(&self) -> Result<()> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).await?;
        stream.write_all(b"AMQP\x00\x00\x09\x01").await?;
        let first = stream.read_u8().await?;
        ensure!(first == 1, "port {} speaks something else than AMQP", self.port);
        Ok(())
    }
}

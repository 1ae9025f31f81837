//! PostgreSQL, with the durability that production has.

use std::fmt::Write as _;
use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use rustix::process::{Signal, geteuid};
use tokio::time::timeout;

use super::binaries;
use super::ports::free_port;
use super::server::Engine;
use crate::sql;

/// Everybody on this machine may log in as this user: the servers listen on the loopback interface only.
const SUPERUSER: &str = "postgres";
/// What the shell counts limits of files in: bytes.
const BLOCK: u64 = 512;

/// A PostgreSQL server.
#[derive(Debug)]
pub struct Postgres {
    program: PathBuf,
    data: PathBuf,
    port: u16,
    run_as: Option<Account>,
    longest_file: Option<u64>,
}

/// The user that PostgreSQL runs as where this process is root, which PostgreSQL refuses.
#[derive(Debug, Clone, Copy)]
struct Account {
    uid: u32,
    gid: u32,
}

impl Engine for Postgres {
    const NAME: &'static str = "postgres";
    /// "Fast shutdown": clients are disconnected and everything is written.
    const STOP: Signal = Signal::INT;
    /// "Immediate shutdown": nothing is written, but shared memory is given back, which SIGKILL would not do.
    const ABANDON: Signal = Signal::QUIT;

    async fn prepare(_root: &Path, folder: &Path) -> Result<Self> {
        let run_as = if geteuid().is_root() {
            Some(Account::find(SUPERUSER)?)
        } else {
            None
        };
        if let Some(account) = run_as {
            chown(folder, Some(account.uid), Some(account.gid)).context("giving PostgreSQL its folder")?;
        }
        let program = binaries::POSTGRES.find()?;
        let postgres = Self {
            program,
            data: folder.join("data"),
            port: free_port(),
            run_as,
            longest_file: None,
        };
        postgres.init().await?;
        Ok(postgres)
    }

    fn command(&self) -> Command {
        let mut command = match self.longest_file {
            None => Command::new(&self.program),
            Some(bytes) => {
                let mut shell = Command::new("sh");
                let limited = format!("ulimit -S -f {}; exec \"$0\" \"$@\"", bytes / BLOCK);
                shell.arg("-c").arg(limited).arg(&self.program);
                shell
            }
        };
        command.arg("-D").arg(&self.data).current_dir(&self.data);
        self.switch_user(&mut command);
        command
    }

    async fn ready(&self) -> Result<()> {
        sql::query(&self.url(), "SELECT 1", &[]).await.map(drop)
    }

    fn url(&self) -> String {
        format!("postgres://{SUPERUSER}@127.0.0.1:{}/postgres", self.port)
    }
}

impl Postgres {
    /// From the next start on, no file of the server becomes longer than this: to it, that is a full disk.
    pub fn limit_files(&mut self, bytes: Option<u64>) {
        self.longest_file = bytes;
    }

    async fn init(&self) -> Result<()> {
        let mut command = Command::new(binaries::INITDB.find()?);
        command
            .arg("-D")
            .arg(&self.data)
            .args(["-U", SUPERUSER, "-A", "trust"]);
        // Only the making of the folder is not synced; the server syncs as usual.
        command.args(["-E", "UTF8", "--locale=C.UTF-8", "--no-sync", "--no-instructions"]);
        command.current_dir(self.data.parent().unwrap_or(&self.data));
        self.switch_user(&mut command);
        let mut command = tokio::process::Command::from(command);
        command.kill_on_drop(true);
        let output = timeout(Duration::from_secs(120), command.output())
            .await
            .context("initdb takes too long")?;
        let output = output.context("starting initdb")?;
        let (stdout, stderr) = (
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr),
        );
        ensure!(output.status.success(), "initdb failed:\n{stdout}{stderr}");
        self.configure()
    }

    /// In the file rather than on the command line, so that every start is the same.
    fn configure(&self) -> Result<()> {
        let mut settings = String::new();
        let port = self.port.to_string();
        for (name, value) in [
            ("listen_addresses", "127.0.0.1"),
            ("port", port.as_str()),
            // The path of a socket has a limit of about 100 characters, which temporary folders can exceed.
            ("unix_socket_directories", ""),
            // Every test has pools of its own.
            ("max_connections", "300"),
            ("shared_buffers", "256MB"),
            // In the data folder, so that even a kill leaves nothing behind in /dev/shm.
            ("dynamic_shared_memory_type", "mmap"),
            ("timezone", "UTC"),
            ("log_timezone", "UTC"),
            // To stderr, which is the log file in the server's folder.
            ("log_destination", "stderr"),
            ("logging_collector", "off"),
            ("log_min_messages", "warning"),
            ("log_lock_waits", "on"),
            ("log_line_prefix", "%m [%p] %d "),
        ] {
            writeln!(settings, "{name} = '{value}'")?;
        }
        let path = self.data.join("postgresql.conf");
        let file = OpenOptions::new().append(true).open(&path);
        file.and_then(|mut file| file.write_all(settings.as_bytes()))
            .with_context(|| format!("writing {}", path.display()))
    }

    fn switch_user(&self, command: &mut Command) {
        if let Some(account) = self.run_as {
            command.uid(account.uid).gid(account.gid).env("HOME", &self.data);
        }
    }
}

impl Account {
    fn find(name: &str) -> Result<Self> {
        let passwd = fs::read_to_string("/etc/passwd").context("reading /etc/passwd")?;
        for line in passwd.lines() {
            let fields: Vec<&str> = line.split(':').collect();
            if let [user, _, uid, gid, ..] = fields[..]
                && user == name
            {
                return Ok(Self {
                    uid: uid.parse()?,
                    gid: gid.parse()?,
                });
            }
        }
        bail!(
            "PostgreSQL does not run as root, and there is no user `{name}` to run it as. Install the package \
             postgresql, which makes that user, or run the tests as another user than root."
        )
    }
}

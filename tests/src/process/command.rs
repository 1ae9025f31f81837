//! How a process is started.

use std::collections::BTreeMap;
use std::env;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::Signal;

use super::log::Logs;
use super::terminal::Terminal;
use super::{Flotilla, binary};
use crate::servers::Recorded;
use crate::urls;

/// The command line, environment and working folder of a process that is not started yet.
#[derive(Debug)]
pub struct FlotillaCommand {
    program: Option<PathBuf>,
    arguments: Vec<String>,
    env: BTreeMap<String, String>,
    cwd: Option<PathBuf>,
    stdin: Option<Vec<u8>>,
    records: Option<PathBuf>,
    ignores_file_limits: bool,
}

/// What a process that ended wrote, and how it ended.
#[derive(Debug)]
pub struct Output {
    /// How it ended.
    pub status: ExitStatus,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl FlotillaCommand {
    pub(super) fn new(arguments: Vec<String>) -> Self {
        Self {
            program: None,
            arguments,
            env: BTreeMap::new(),
            cwd: None,
            stdin: None,
            records: env::var_os(urls::FOLDER).map(PathBuf::from),
            ignores_file_limits: false,
        }
    }

    /// Starts another program instead of `flotilla`, with the same care.
    #[must_use]
    pub fn program(mut self, program: impl Into<PathBuf>) -> Self {
        self.program = Some(program.into());
        self
    }

    /// Adds an argument.
    #[must_use]
    pub fn arg(mut self, argument: impl Into<String>) -> Self {
        self.arguments.push(argument.into());
        self
    }

    /// Sets a variable. The process sees PATH, HOME, a TMPDIR that is its folder, and what is set here.
    #[must_use]
    pub fn env(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.env.insert(name.into(), value.into());
        self
    }

    /// Sets several variables, for example those of [`Sandbox::env`](crate::Sandbox::env).
    #[must_use]
    pub fn envs<N: Into<String>, V: Into<String>>(self, variables: impl IntoIterator<Item = (N, V)>) -> Self {
        variables
            .into_iter()
            .fold(self, |command, (name, value)| command.env(name, value))
    }

    /// Sets the working folder, which otherwise is the folder that the process is started in.
    #[must_use]
    pub fn cwd(mut self, folder: impl Into<PathBuf>) -> Self {
        self.cwd = Some(folder.into());
        self
    }

    /// What the process reads from standard input, which otherwise is empty.
    #[must_use]
    pub fn stdin(mut self, input: impl Into<Vec<u8>>) -> Self {
        self.stdin = Some(input.into());
        self
    }

    /// Writes the process down in this folder of servers, whose owner stops it where this process is killed. Otherwise that
    /// is the folder of the servers that tests share.
    #[must_use]
    pub fn recorded_in(mut self, folder: impl Into<PathBuf>) -> Self {
        self.records = Some(folder.into());
        self
    }

    /// Lets the process live on where a file must not grow, so that [`Flotilla::limit_files`] is to it what a full disk is.
    #[must_use]
    pub fn ignoring_file_limits(mut self) -> Self {
        self.ignores_file_limits = true;
        self
    }

    /// Starts the process. Its log files go into `folder`.
    ///
    /// # Panics
    ///
    /// Where that fails.
    #[must_use]
    pub fn start(self, folder: &Path) -> Flotilla {
        let program = self.program.clone().unwrap_or_else(binary::flotilla);
        let short = program
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let role = self.arguments.first().map_or(short.as_str(), String::as_str);
        let role: String = role
            .chars()
            .map(|c| if c.is_ascii_alphanumeric() { c } else { '_' })
            .collect();
        let (logs, stdout, stderr) = Logs::create(folder, &role).expect("log files can be made");
        let mut command = self.prepared(&program, folder);
        command.stdin(self.input(folder)).stdout(stdout).stderr(stderr);
        let name = format!("{short} {}", self.arguments.join(" "));
        let child = command
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start {name}: {error}"));
        Flotilla {
            recorded: record(self.records.as_deref(), &role, child.id()),
            child,
            status: None,
            name,
            logs,
        }
    }

    /// Starts the process in a terminal of so many columns and lines.
    ///
    /// # Panics
    ///
    /// Where that fails.
    #[must_use]
    pub fn start_in_terminal(self, folder: &Path, columns: u16, lines: u16) -> Terminal {
        let program = self.program.clone().unwrap_or_else(binary::flotilla);
        let mut command = self.prepared(&program, folder);
        command.env("TERM", "xterm-256color");
        Terminal::start(command, columns, lines)
    }

    /// The process without its streams.
    fn prepared(&self, program: &Path, folder: &Path) -> Command {
        let mut command = self.command(program);
        command
            .args(&self.arguments)
            .current_dir(self.cwd.as_deref().unwrap_or(folder));
        command.env_clear().env("TMPDIR", folder);
        command.envs(
            ["PATH", "HOME"]
                .into_iter()
                .filter_map(|name| Some((name, env::var_os(name)?))),
        );
        command.envs(&self.env);
        command
    }

    /// The shell that sets a signal aside becomes the program: its pid is the program's.
    fn command(&self, program: &Path) -> Command {
        if !self.ignores_file_limits {
            return Command::new(program);
        }
        let mut shell = Command::new("sh");
        shell
            .args(["-c", "trap '' XFSZ; exec \"$0\" \"$@\""])
            .arg(program);
        shell
    }

    /// Starts the process and waits for its end.
    ///
    /// # Panics
    ///
    /// Where it does not end within `timeout`.
    pub async fn output(self, folder: &Path, timeout: Duration) -> Output {
        let mut process = self.start(folder);
        let status = process.wait(timeout).await;
        Output {
            status,
            stdout: process.logs.stdout(),
            stderr: process.logs.stderr(),
        }
    }

    /// A file rather than a pipe: nobody has to feed it, and the process cannot block on it.
    fn input(&self, folder: &Path) -> Stdio {
        let Some(input) = &self.stdin else {
            return Stdio::null();
        };
        let file = tempfile::Builder::new()
            .prefix("stdin-")
            .tempfile_in(folder)
            .expect("a file for stdin can be made");
        fs::write(file.path(), input).expect("stdin can be written to a file");
        File::open(file.path())
            .expect("the file for stdin can be read")
            .into()
    }
}

/// Where the tests are killed, the owner of the servers stops their processes too.
fn record(folder: Option<&Path>, name: &str, pid: u32) -> Option<Recorded> {
    Recorded::write(folder?, name, pid, Signal::KILL).expect("a process can be recorded")
}

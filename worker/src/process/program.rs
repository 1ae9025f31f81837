//! The part of a job type's command that is the same for every item.

use std::ffi::{OsStr, OsString};
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use flotilla_core::job_type::ExecSpec;
use flotilla_core::outcome::{ItemError, ItemErrorKind};
use rustix::io::Errno;
use tokio::process::Command;

use super::{Group, Pipes};

/// A program, and where and with which environment it runs.
#[derive(Debug)]
pub(crate) struct Program {
    name: OsString,
    /// What a process may map, in KiB.
    memory_kib: Option<u64>,
    dir: Option<PathBuf>,
    env: Vec<(String, String)>,
    /// The worker's own variables that are none of the program's business: URLs with credentials are among them.
    hidden: Vec<OsString>,
}

impl Program {
    /// `name`, in the surroundings that `spec` describes.
    pub(crate) fn new(name: impl Into<OsString>, spec: &ExecSpec) -> Self {
        let own = |name: &OsString| name.as_encoded_bytes().starts_with(b"FLOTILLA_");
        Self {
            name: name.into(),
            memory_kib: spec.memory.map(|bytes| bytes / 1024),
            dir: spec.dir.clone(),
            env: spec.env.clone().into_iter().collect(),
            hidden: std::env::vars_os().map(|(name, _)| name).filter(own).collect(),
        }
    }

    /// Starts it. `vars` come on top of the configured ones.
    pub(crate) async fn spawn(
        &self,
        args: impl IntoIterator<Item = impl AsRef<OsStr>>,
        vars: impl IntoIterator<Item = (&'static str, String)>,
    ) -> Result<(Group, Pipes), ItemError> {
        let mut command = self.command();
        command.args(args);
        if let Some(dir) = &self.dir {
            command.current_dir(dir);
        }
        for name in &self.hidden {
            command.env_remove(name);
        }
        command
            .env_remove("TRACEPARENT")
            .envs(self.env.iter().map(|(name, value)| (name, value)))
            .envs(vars);
        match Group::spawn(command) {
            Ok(started) => Ok(started),
            Err(error) => Err(self.explain(&error).await),
        }
    }

    /// The program, or a shell that becomes the program once it has limited itself: the limit holds from the first
    /// instruction on, for everything that it starts.
    fn command(&self) -> Command {
        let mut command = Command::new(self.started());
        if let Some(kib) = self.memory_kib {
            let script = format!("ulimit -v {kib} && exec \"$@\"");
            command.args(["-c", &script, "sh"]).arg(&self.name);
        }
        command
    }

    /// What the operating system is asked to start.
    fn started(&self) -> &OsStr {
        match self.memory_kib {
            Some(_) => OsStr::new("sh"),
            None => &self.name,
        }
    }

    /// What a failed start means to the person who configured it.
    async fn explain(&self, error: &io::Error) -> ItemError {
        let name = self.started().to_string_lossy();
        let reason = match error.raw_os_error().map(Errno::from_raw_os_error) {
            Some(Errno::NOENT | Errno::NOTDIR) => self.explain_missing().await,
            Some(Errno::ACCESS) => "is not executable by this worker: chmod +x?".to_owned(),
            Some(Errno::NOEXEC) => "is no program: does it begin with a #! line?".to_owned(),
            Some(Errno::TOOBIG) => {
                return ItemError::new(
                    ItemErrorKind::Invalid,
                    format!("the item is too long for the arguments of {name:?}: read it from stdin instead"),
                );
            }
            _ => format!("can't be started: {error}"),
        };
        ItemError::new(
            ItemErrorKind::Unreachable,
            format!("the program {name:?} {reason}"),
        )
    }

    async fn explain_missing(&self) -> String {
        if let Some(dir) = &self.dir
            && !is_there(dir.clone()).await
        {
            return format!("can't be started in {}: no such directory", dir.display());
        }
        if !self.started().as_encoded_bytes().contains(&b'/') {
            let own = self.env.iter().find(|(name, _)| name == "PATH");
            let path = own.map_or_else(
                || std::env::var("PATH").unwrap_or_default(),
                |(_, value)| value.clone(),
            );
            // For the operator only: the message becomes the item's error, which its submitter reads.
            tracing::warn!(path, "a handler's program was not found in the PATH");
            return "was not found in the PATH of this worker".to_owned();
        }
        let path = self.dir.clone().unwrap_or_default().join(&self.name);
        if is_there(path).await {
            "exists, but the interpreter in its #! line does not".to_owned()
        } else {
            "does not exist on this worker".to_owned()
        }
    }
}

async fn is_there(path: PathBuf) -> bool {
    let look = tokio::fs::try_exists(path);
    // A network mount may hang.
    matches!(
        tokio::time::timeout(Duration::from_secs(2), look).await,
        Ok(Ok(true))
    )
}

//! What a process wrote.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

/// The files that standard output and standard error go to: files rather than pipes, because nobody has to read them for
/// the process to continue, and because they survive a kill.
#[derive(Debug, Clone)]
pub(super) struct Logs {
    stdout: PathBuf,
    stderr: PathBuf,
}

impl Logs {
    /// Files of that name, with a number where that is needed.
    pub(super) fn create(folder: &Path, name: &str) -> std::io::Result<(Self, File, File)> {
        for number in 1_u32.. {
            let path = |kind| folder.join(format!("{name}-{number}.{kind}"));
            let logs = Self {
                stdout: path("stdout"),
                stderr: path("stderr"),
            };
            match File::create_new(&logs.stdout) {
                Ok(stdout) => {
                    let stderr = File::create(&logs.stderr)?;
                    return Ok((logs, stdout, stderr));
                }
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
        unreachable!("the numbers do not end")
    }

    pub(super) fn stdout(&self) -> String {
        read(&self.stdout)
    }

    pub(super) fn stderr(&self) -> String {
        read(&self.stderr)
    }

    pub(super) fn read(&self) -> String {
        self.stdout() + &self.stderr()
    }

    /// The end of both files, the end of standard error last.
    pub(super) fn last_lines(&self, count: usize) -> String {
        let log = self.read();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(count)..].join("\n")
    }
}

/// A process that was killed may have written half a character.
fn read(path: &Path) -> String {
    String::from_utf8_lossy(&fs::read(path).unwrap_or_default()).into_owned()
}

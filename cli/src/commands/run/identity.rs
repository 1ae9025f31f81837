//! When two runs are the same: the same file with the same content, processed in the same way.

use std::fmt::Write;
use std::path::Path;

use anyhow::{Context, Result};
use flotilla_core::job_type::JobType;
use sha2::{Digest, Sha256};

use crate::client::upload::Format;

/// Changes when what a run leaves behind can't be continued by this version.
const VERSION: &str = "flotilla run 1";

/// Names a run: the same for the same command in the same place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Identity(String);

/// What decides about the results.
#[derive(Debug, Clone, Copy)]
pub(super) struct Parts<'a> {
    /// The file, canonical; `-` for stdin.
    pub(super) path: &'a Path,
    /// SHA-256 of its content.
    pub(super) digest: &'a [u8],
    /// What it consists of.
    pub(super) format: Format,
    /// Where commands run.
    pub(super) dir: &'a Path,
    /// What handles the items, with every option.
    pub(super) name: &'a str,
    /// The same.
    pub(super) job_type: &'a JobType,
}

impl Identity {
    /// Of a run.
    pub(super) fn of(parts: Parts<'_>) -> Result<Self> {
        let job_type = serde_json::to_vec(parts.job_type).context("the job type")?;
        let fields: [&[u8]; 7] = [
            VERSION.as_bytes(),
            parts.path.as_os_str().as_encoded_bytes(),
            parts.digest,
            parts.format.as_str().as_bytes(),
            parts.dir.as_os_str().as_encoded_bytes(),
            parts.name.as_bytes(),
            &job_type,
        ];
        let mut hash = Sha256::new();
        for field in fields {
            // With its length, so that no two lists of fields read the same.
            hash.update((field.len() as u64).to_be_bytes());
            hash.update(field);
        }
        Ok(Self(hex(&hash.finalize())))
    }

    /// The whole hash: the idempotency key of its batch.
    pub(super) fn key(&self) -> &str {
        &self.0
    }

    /// Enough of it for the name of a folder.
    pub(super) fn short(&self) -> &str {
        &self.0[..16]
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut out, byte| {
        // Writing to a String can't fail.
        let _ = write!(out, "{byte:02x}");
        out
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use flotilla_core::job_type::{ExecSpec, HandlerSpec};

    use super::*;

    fn job(command: &[&str]) -> JobType {
        let words = command.iter().map(|word| (*word).to_owned()).collect();
        JobType::new(HandlerSpec::Exec(ExecSpec::new(words)))
    }

    fn key(path: &str, digest: &[u8], format: Format, job_type: &JobType) -> String {
        let identity = Identity::of(Parts {
            path: Path::new(path),
            digest,
            format,
            dir: Path::new("/here"),
            name: "run",
            job_type,
        });
        identity.unwrap().key().to_owned()
    }

    #[test]
    fn the_same_run_is_found_again() {
        let run = || key("/a.csv", b"1", Format::Csv, &job(&["echo", "{x}"]));
        assert_eq!(run(), run());
        assert_eq!(run().len(), 64);
    }

    #[test]
    fn whatever_changes_the_result_changes_the_run() {
        let mut slow = job(&["echo", "{x}"]);
        slow.timeout = Duration::from_secs(1);
        let mut stubborn = job(&["echo", "{x}"]);
        stubborn.max_attempts = 3;
        let keys = [
            key("/a.csv", b"1", Format::Csv, &job(&["echo", "{x}"])),
            key("/b.csv", b"1", Format::Csv, &job(&["echo", "{x}"])),
            key("/a.csv", b"2", Format::Csv, &job(&["echo", "{x}"])),
            key("/a.csv", b"1", Format::Text, &job(&["echo", "{x}"])),
            key("/a.csv", b"1", Format::Csv, &job(&["echo", "{y}"])),
            key("/a.csv", b"1", Format::Csv, &job(&["echo {x}"])),
            key("/a.csv", b"1", Format::Csv, &slow),
            key("/a.csv", b"1", Format::Csv, &stubborn),
        ];
        let distinct: std::collections::HashSet<_> = keys.iter().collect();
        assert_eq!(distinct.len(), keys.len());
    }
}

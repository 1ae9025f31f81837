//! The pid files of a folder: what has to be stopped before the folder can go.

use std::fs;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context, Result};
use rustix::process::Signal;
use serde::{Deserialize, Serialize};

use super::identity::Identity;

/// The folder of the pid files, within the folder of the servers.
const PIDS: &str = "pids";
/// How long a process may take to obey its signal, in steps of [`STEP`]; then it is killed.
const PATIENCE: u32 = 250;
const STEP: Duration = Duration::from_millis(20);

/// What a pid file contains.
#[derive(Debug, Serialize, Deserialize)]
struct Record {
    process: Identity,
    /// The number of the signal that stops it quickly and without leaving anything behind.
    signal: i32,
}

/// A process that is written down in a pid file. Dropping this removes the file.
#[derive(Debug)]
pub struct Recorded {
    file: PathBuf,
}

impl Recorded {
    /// Writes down a process that runs now. `folder` is the folder of the servers.
    ///
    /// Where the process is already gone, there is nothing to write down.
    pub fn write(folder: &Path, name: &str, pid: u32, signal: Signal) -> Result<Option<Self>> {
        let Some(process) = Identity::of(pid) else {
            return Ok(None);
        };
        let record = Record {
            process,
            signal: signal.as_raw(),
        };
        let pids = folder.join(PIDS);
        fs::create_dir_all(&pids).with_context(|| format!("making {}", pids.display()))?;
        let file = pids.join(format!("{name}-{pid}.json"));
        fs::write(&file, serde_json::to_vec(&record)?)
            .with_context(|| format!("writing {}", file.display()))?;
        Ok(Some(Self { file }))
    }
}

impl Drop for Recorded {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.file);
    }
}

/// Stops every process that the folder's pid files name and that has to do with the folder; returns their names.
pub(super) fn stop_recorded(folder: &Path) -> Vec<String> {
    let files = fs::read_dir(folder.join(PIDS)).into_iter().flatten().flatten();
    let records = files.filter_map(|file| {
        let record: Record = serde_json::from_slice(&fs::read(file.path()).ok()?).ok()?;
        Some((
            file.file_name()
                .to_string_lossy()
                .trim_end_matches(".json")
                .to_owned(),
            record,
        ))
    });
    let alive = |record: &Record| record.process.is_running() && record.process.mentions(folder);
    let records: Vec<(String, Record)> = records.filter(|(_, record)| alive(record)).collect();
    for (_, record) in &records {
        // A process that is frozen by a test obeys only after it continues.
        record.process.signal(Signal::CONT);
        record
            .process
            .signal(Signal::from_named_raw(record.signal).unwrap_or(Signal::KILL));
    }
    let processes: Vec<Identity> = records.iter().map(|(_, record)| record.process).collect();
    if !gone(&processes) {
        processes.iter().for_each(|process| process.signal(Signal::KILL));
        gone(&processes);
    }
    records.into_iter().map(|(name, _)| name).collect()
}

/// Waits for processes that are not children of this one, and that nobody can wait for otherwise.
fn gone(processes: &[Identity]) -> bool {
    for _ in 0..PATIENCE {
        if !processes.iter().any(|process| process.is_running()) {
            return true;
        }
        sleep(STEP);
    }
    false
}

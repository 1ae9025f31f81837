//! The file belongs to one process.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use flotilla_core::{Error, Result};

use crate::error::ENGINE;

/// Held for as long as the database is open. The operating system gives it back when the process ends, however it ends.
#[derive(Debug)]
pub(crate) struct Lock {
    file: File,
}

impl Lock {
    /// Locks `database` by a file beside it, which stays: removing it would let two processes lock two files of one name.
    pub(crate) fn take(database: &Path) -> Result<Self> {
        let path = beside(database);
        let opened = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path);
        let mut file = opened.map_err(|error| cannot_lock(&path, error))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(in_use(database, &mut file)),
            Err(TryLockError::Error(error)) => return Err(cannot_lock(&path, error)),
        }
        let signed = file
            .set_len(0)
            .and_then(|()| write!(file, "{}", std::process::id()));
        signed.map_err(|error| cannot_lock(&path, error))?;
        Ok(Self { file })
    }
}

impl Drop for Lock {
    /// Closing the file is not enough: a process that is being started at this moment has it open too, for an instant.
    fn drop(&mut self) {
        drop(self.file.unlock());
    }
}

fn beside(database: &Path) -> PathBuf {
    let mut name = database.as_os_str().to_owned();
    name.push(".lock");
    name.into()
}

fn in_use(database: &Path, file: &mut File) -> Error {
    let mut pid = String::new();
    let holder = match file
        .read_to_string(&mut pid)
        .ok()
        .and_then(|_| pid.trim().parse::<u32>().ok())
    {
        Some(pid) if pid == std::process::id() => format!("this process already (pid {pid})"),
        Some(pid) => format!("another flotilla process (pid {pid})"),
        None => "another flotilla process".to_owned(),
    };
    let file = database.display();
    let advice = "stop that one, or use another data folder";
    Error::misconfigured(ENGINE, format!("{file} is in use by {holder}; {advice}"))
}

fn cannot_lock(path: &Path, error: std::io::Error) -> Error {
    let message = format!("can't lock {}; check that its folder is writable", path.display());
    Error::misconfigured(ENGINE, message).because(error)
}

//! The folder in which everything lives that has to go away.

use std::env;
use std::fs::{self, File, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context, Result};
use rustix::process::geteuid;
use tempfile::TempDir;

use super::record::stop_recorded;

/// What the name of a folder starts with once it is locked.
const PREFIX: &str = "flotilla-servers-";
/// What the name of a folder starts with while it is being made, so that nobody takes it for a leftover.
const UNFINISHED: &str = ".flotilla-servers-";
/// The file that the owner keeps locked, with its pid for people who look.
const OWNER: &str = "owner";

/// A temporary folder that belongs to this process.
///
/// Dropping it stops what its pid files name and deletes it. Where its owner is killed, the next owner does that: the
/// owner is alive exactly as long as it holds a lock, which ends with the process, however it ends.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    _lock: File,
}

impl Folder {
    /// Makes a new folder.
    pub fn create() -> Result<Self> {
        let parent = parents().into_iter().find(|parent| everybody_can_enter(parent));
        let parent = parent.unwrap_or_else(env::temp_dir);
        let unfinished = tempfile::Builder::new()
            .prefix(UNFINISHED)
            .rand_bytes(8)
            .tempdir_in(&parent);
        let unfinished = unfinished.with_context(|| format!("making a folder in {}", parent.display()))?;
        // PostgreSQL may run as another user, who has to pass through here.
        fs::set_permissions(unfinished.path(), Permissions::from_mode(0o755))?;
        let lock = lock_new(unfinished.path())?;
        let path = finish(unfinished)?;
        Ok(Self { path, _lock: lock })
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Makes a folder in it for one server, whose name gets a number where that is needed.
    pub(super) fn make(&self, name: &str) -> Result<PathBuf> {
        for number in 1..1000 {
            let name = if number == 1 {
                name.to_owned()
            } else {
                format!("{name}-{number}")
            };
            let path = self.path.join(name);
            match fs::create_dir(&path) {
                Ok(()) => return Ok(path),
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error).with_context(|| format!("making {}", path.display())),
            }
        }
        anyhow::bail!("{} has too many servers", self.path.display())
    }

    /// Stops and deletes what owners who were killed left behind.
    pub fn remove_leftovers() {
        for parent in parents() {
            for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
                if entry.file_name().to_string_lossy().starts_with(PREFIX) {
                    remove_leftover(&entry.path());
                }
            }
        }
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let left = stop_recorded(&self.path);
        if !left.is_empty() {
            eprintln!("stopped what was left running: {}", left.join(", "));
        }
        remove(&self.path);
    }
}

/// Where folders may be: the system's choice first, and a place that every user can enter where that one is private.
fn parents() -> Vec<PathBuf> {
    let mut parents = vec![env::temp_dir(), PathBuf::from("/tmp"), PathBuf::from("/var/tmp")];
    parents.dedup();
    parents
}

/// Only root needs that: PostgreSQL refuses to run as root and then runs as a user of its own.
fn everybody_can_enter(folder: &Path) -> bool {
    let enterable = |folder: &Path| fs::metadata(folder).is_ok_and(|metadata| metadata.mode() & 0o001 != 0);
    !geteuid().is_root() || folder.ancestors().all(enterable)
}

fn lock_new(folder: &Path) -> Result<File> {
    let path = folder.join(OWNER);
    fs::write(&path, format!("{}\n", std::process::id()))
        .with_context(|| format!("writing {}", path.display()))?;
    let file = File::open(&path)?;
    file.try_lock()
        .with_context(|| format!("locking {}", path.display()))?;
    Ok(file)
}

/// The lock is held from the first moment at which the folder has its final name.
fn finish(unfinished: TempDir) -> Result<PathBuf> {
    let name = unfinished
        .path()
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    let path = unfinished
        .path()
        .with_file_name(name.replacen(UNFINISHED, PREFIX, 1));
    fs::rename(unfinished.path(), &path).with_context(|| format!("naming {}", path.display()))?;
    let _ = unfinished.keep();
    Ok(path)
}

/// A folder of another user cannot be opened or locked, and is left alone.
fn remove_leftover(folder: &Path) {
    let Ok(owner) = File::open(folder.join(OWNER)) else {
        return;
    };
    if owner.try_lock().is_err() {
        return;
    }
    let stopped = stop_recorded(folder);
    eprintln!(
        "removed the leftover {} and stopped {} processes of it",
        folder.display(),
        stopped.len()
    );
    remove(folder);
}

/// What was just stopped may still have children that write their last files.
fn remove(folder: &Path) {
    for _ in 0..250 {
        match fs::remove_dir_all(folder) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => sleep(Duration::from_millis(20)),
            _ => return,
        }
    }
    eprintln!("{} could not be removed", folder.display());
}

#[cfg(test)]
mod tests {
    use std::process::{Child, Command};

    use rustix::process::Signal;

    use super::super::record::Recorded;
    use super::*;

    #[test]
    fn what_is_recorded_ends_with_the_folder() {
        let folder = Folder::create().unwrap();
        let mut child = sleeper(folder.path());
        record(&folder, &child);
        let path = folder.path().to_owned();
        drop(folder);
        assert!(!path.exists());
        assert!(!child.wait().unwrap().success());
    }

    #[test]
    fn what_has_nothing_to_do_with_the_folder_is_left_alone() {
        let folder = Folder::create().unwrap();
        let mut child = sleeper(Path::new("/"));
        record(&folder, &child);
        drop(folder);
        assert_eq!(child.try_wait().unwrap(), None);
        child.kill().unwrap();
        child.wait().unwrap();
    }

    #[test]
    fn a_folder_is_a_leftover_only_without_its_owner() {
        let folder = Folder::create().unwrap();
        remove_leftover(folder.path());
        assert!(folder.path().exists());
        let mut child = sleeper(folder.path());
        record(&folder, &child);
        let path = folder.path().to_owned();
        give_up_ownership(folder);
        remove_leftover(&path);
        assert!(!path.exists());
        assert!(!child.wait().unwrap().success());
    }

    /// The same as the death of the owner: the lock is gone, and nothing was cleaned up.
    fn give_up_ownership(folder: Folder) {
        let folder = std::mem::ManuallyDrop::new(folder);
        folder._lock.unlock().unwrap();
    }

    fn sleeper(cwd: &Path) -> Child {
        Command::new("sleep")
            .arg("600")
            .current_dir(cwd)
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .spawn()
            .unwrap()
    }

    fn record(folder: &Folder, child: &Child) {
        let recorded = Recorded::write(folder.path(), "sleep", child.id(), Signal::TERM).unwrap();
        std::mem::forget(recorded.unwrap());
    }
}

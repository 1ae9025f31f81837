//! What a run leaves behind until it is complete: `.flotilla/run-…/` with the database, artifacts and a lock.

use std::fs::{self, File, TryLockError};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use super::identity::Identity;

/// Where states are by default. It hides from version control, and goes with its last state.
const DEFAULT_BASE: &str = ".flotilla";
/// Says that a kept state is of a run that was completed.
const COMPLETE: &str = "complete";

/// Where states are.
#[derive(Debug, Clone)]
pub(super) struct Base {
    folder: PathBuf,
    ours: bool,
}

impl Base {
    /// In `data`, or in the default place.
    pub(super) fn prepare(data: Option<&Path>) -> Result<Self> {
        let base = Self {
            folder: data.unwrap_or(Path::new(DEFAULT_BASE)).to_owned(),
            ours: data.is_none(),
        };
        let failed = || {
            format!(
                "can't write to {}; choose another folder with --data",
                base.folder.display()
            )
        };
        fs::create_dir_all(&base.folder).with_context(failed)?;
        if base.ours {
            fs::write(base.folder.join(".gitignore"), "*\n").with_context(failed)?;
        }
        Ok(base)
    }

    /// Its folder.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Removes the default place where nothing is left in it but what this put there.
    pub(super) fn tidy(&self) {
        let Ok(mut entries) = fs::read_dir(&self.folder) else {
            return;
        };
        let only_ours =
            |entry: std::io::Result<fs::DirEntry>| entry.is_ok_and(|entry| entry.file_name() == ".gitignore");
        if self.ours && entries.all(only_ours) {
            // Best effort: another run may be about to use it.
            let _ = fs::remove_file(self.folder.join(".gitignore"));
            let _ = fs::remove_dir(&self.folder);
        }
    }
}

/// The state of one run. Nobody else has it meanwhile.
#[derive(Debug)]
pub(super) struct State {
    folder: PathBuf,
    base: Base,
    /// Held until this is dropped, or the process dies.
    _lock: File,
}

impl State {
    /// Opens the state of a run; `fresh` forgets what it left behind before. So does a run that was completed.
    pub(super) fn open(base: Base, identity: &Identity, fresh: bool) -> Result<Self> {
        let folder = base.folder.join(format!("run-{}", identity.short()));
        let lock = lock(&folder)?;
        let state = Self {
            folder,
            base,
            _lock: lock,
        };
        if fresh || state.folder.join(COMPLETE).exists() {
            state
                .clear()
                .with_context(|| format!("can't empty {}", state.folder.display()))?;
        }
        Ok(state)
    }

    /// Its folder.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// The run is complete and its results are where they belong.
    pub(super) fn complete(self, keep: bool) -> Result<()> {
        let failed = || format!("can't tidy up {}", self.folder.display());
        if keep {
            return fs::write(self.folder.join(COMPLETE), "").with_context(failed);
        }
        fs::remove_dir_all(&self.folder).with_context(failed)?;
        self.base.tidy();
        Ok(())
    }

    /// Removes everything but the lock.
    fn clear(&self) -> std::io::Result<()> {
        for entry in fs::read_dir(&self.folder)? {
            let entry = entry?;
            if entry.file_name() == LOCK {
                continue;
            }
            if entry.file_type()?.is_dir() {
                fs::remove_dir_all(entry.path())?;
            } else {
                fs::remove_file(entry.path())?;
            }
        }
        Ok(())
    }
}

/// The name of the lock.
const LOCK: &str = "lock";

/// Makes `folder` and takes its lock.
fn lock(folder: &Path) -> Result<File> {
    let failed = || format!("can't write to {}", folder.display());
    let place = folder.join(LOCK);
    loop {
        fs::create_dir_all(folder).with_context(failed)?;
        let file = File::options()
            .create(true)
            .append(true)
            .open(&place)
            .with_context(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                bail!(
                    "the same command is running already (its state is in {})",
                    folder.display()
                )
            }
            Err(TryLockError::Error(error)) => return Err(error).with_context(failed),
        }
        // Whoever had the lock before may have removed the folder with it.
        let ours = file.metadata().with_context(failed)?.ino();
        if fs::metadata(&place).is_ok_and(|there| there.ino() == ours) {
            return Ok(file);
        }
    }
}

#[cfg(test)]
mod tests {
    use flotilla_core::job_type::{HandlerSpec, JobType};

    use super::super::identity::Parts;
    use super::*;
    use crate::client::upload::Format;

    fn identity() -> Identity {
        Identity::of(Parts {
            path: Path::new("/a"),
            digest: b"1",
            format: Format::Csv,
            dir: Path::new("/"),
            name: "echo",
            job_type: &JobType::new(HandlerSpec::Echo {}),
        })
        .unwrap()
    }

    fn open(folder: &Path, fresh: bool) -> Result<State> {
        State::open(Base::prepare(Some(folder)).unwrap(), &identity(), fresh)
    }

    #[test]
    fn one_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let first = open(folder.path(), false).unwrap();
        let error = open(folder.path(), false).unwrap_err().to_string();
        assert!(error.contains("running already"), "{error}");
        drop(first);
        open(folder.path(), false).unwrap();
    }

    #[test]
    fn a_state_is_found_again_until_the_run_is_complete() {
        let folder = tempfile::tempdir().unwrap();
        let note = |state: &State| state.folder().join("note");
        let state = open(folder.path(), false).unwrap();
        fs::write(note(&state), "x").unwrap();
        drop(state);
        let state = open(folder.path(), false).unwrap();
        assert!(note(&state).exists());
        drop(state);
        let state = open(folder.path(), true).unwrap();
        assert!(!note(&state).exists(), "--fresh forgets");
        fs::write(note(&state), "x").unwrap();
        state.complete(true).unwrap();
        let state = open(folder.path(), false).unwrap();
        assert!(
            !note(&state).exists(),
            "complete means that the next one starts anew"
        );
        let gone = state.folder().to_owned();
        state.complete(false).unwrap();
        assert!(!gone.exists() && folder.path().exists());
    }
}

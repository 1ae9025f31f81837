//! Folders for files of items, on the worker's own disk.
//!
//! All of a worker are in one folder, which has a file that the worker holds a lock on. The lock ends with the process,
//! however that ends: so the next worker can tell what was left behind, and removes it.

use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::sync::Arc;

use tempfile::{Builder, TempDir};
use tokio::sync::OnceCell;
use tokio::task::spawn_blocking;

const PREFIX: &str = "flotilla-artifacts-";
const LOCK: &str = ".lock";

/// Made with the first folder.
#[derive(Debug, Default)]
pub(super) struct Desk {
    own: OnceCell<Arc<Own>>,
}

#[derive(Debug)]
struct Own {
    folder: TempDir,
    /// Locked.
    _lock: File,
}

impl Desk {
    /// A new folder, which goes when it is dropped.
    pub(super) async fn folder(&self) -> io::Result<TempDir> {
        let own = self.own.get_or_try_init(|| async {
            blocking(|| {
                let within = std::env::temp_dir();
                sweep(&within);
                Own::new(&within).map(Arc::new)
            })
            .await
        });
        let own = Arc::clone(own.await?);
        blocking(move || Builder::new().prefix("").tempdir_in(own.folder.path())).await
    }
}

impl Own {
    fn new(within: &Path) -> io::Result<Self> {
        let folder = Builder::new().prefix(PREFIX).tempdir_in(within)?;
        // It gets its name when it is locked: until then nobody takes the folder for an abandoned one.
        let (begun, named) = (folder.path().join(".begun"), folder.path().join(LOCK));
        let lock = File::create(&begun)?;
        lock.lock()?;
        fs::rename(begun, named)?;
        Ok(Self { folder, _lock: lock })
    }
}

/// Removes what processes left behind that were killed. What can't be removed stays.
fn sweep(within: &Path) {
    let Ok(entries) = fs::read_dir(within) else {
        return;
    };
    for entry in entries.flatten() {
        let of_a_worker = entry
            .file_name()
            .as_encoded_bytes()
            .starts_with(PREFIX.as_bytes());
        if !of_a_worker || !entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            continue;
        }
        let abandoned = File::open(entry.path().join(LOCK)).is_ok_and(|lock| lock.try_lock().is_ok());
        if abandoned {
            let removed = fs::remove_dir_all(entry.path());
            tracing::info!(
                ok = removed.is_ok(),
                "removed the folder of a worker that was killed"
            );
        }
    }
}

/// Removes `folder` with all that is in it, beside everything else.
pub(super) fn remove(folder: TempDir) {
    drop(spawn_blocking(move || {
        if let Err(error) = folder.close() {
            tracing::warn!(%error, "can't remove a folder of artifacts");
        }
    }));
}

/// Runs `work` where it may block.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    spawn_blocking(work).await.map_err(io::Error::other)?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_killed_worker_left_is_removed() {
        let within = tempfile::tempdir().unwrap();
        let alive = Own::new(within.path()).unwrap();
        // As a process leaves it that is killed: the folder stays, the lock does not.
        let killed = Own::new(within.path()).unwrap();
        let left = killed.folder.keep();
        drop(killed._lock);
        fs::create_dir_all(left.join("item/a")).unwrap();
        let other = within.path().join("flotilla-artifacts-not-ours");
        fs::create_dir(&other).unwrap();
        sweep(within.path());
        assert!(alive.folder.path().exists());
        assert!(!left.exists());
        assert!(other.exists(), "without a lock it is somebody else's");
    }
}

//! Files that come of items: where an attempt puts them, and what is known of them when it is over.
//!
//! Each run of an attempt has keys of its own, so that a duplicate never overwrites what is recorded. Nothing is made
//! before the first file: an item without any costs nothing.

mod collect;
mod desk;
mod shelf;

pub use shelf::NewArtifact;
pub(crate) use shelf::Shelf;

use std::fmt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use flotilla_core::artifact::{self, Artifact};
use flotilla_core::outcome::{ItemError, ItemErrorKind};
use flotilla_core::ports::Objects;
use flotilla_core::{Error, WorkerId};
use sha2::{Digest, Sha256};
use tempfile::TempDir;
use tokio::io::{AsyncRead, AsyncReadExt};

use crate::item::ItemContext;
use desk::Desk;

pub(crate) use collect::collect;

/// What is read at once of something that becomes a file.
const PIECE: usize = 256 << 10;

/// Where a worker keeps files of items.
pub(crate) struct Exports {
    objects: Objects,
    worker: WorkerId,
    runs: AtomicU64,
    max_bytes: u64,
    desk: Desk,
}

impl Exports {
    /// In `objects`, by `worker`; at most `max_bytes` for an item whose handler says nothing else.
    pub(crate) fn new(objects: Objects, worker: WorkerId, max_bytes: u64) -> Self {
        Self {
            objects,
            worker,
            runs: AtomicU64::new(0),
            max_bytes,
            desk: Desk::default(),
        }
    }

    /// The name of another run of `attempt`. Workers have ids of their own, and count.
    fn run(&self, attempt: u16) -> String {
        let count = self.runs.fetch_add(1, Ordering::Relaxed);
        let hash = Sha256::digest(format!("{}/{count}", self.worker));
        let head: String = hash.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        format!("{attempt}-{head}")
    }
}

impl fmt::Debug for Exports {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Exports").finish_non_exhaustive()
    }
}

/// The files of one attempt. Clones are about the same ones.
#[derive(Debug, Clone, Default)]
pub(crate) struct Artifacts {
    exports: Option<Arc<Exports>>,
    shelf: Arc<Mutex<Shelf>>,
}

impl Artifacts {
    pub(crate) fn of(exports: Arc<Exports>) -> Self {
        Self {
            exports: Some(exports),
            shelf: Arc::default(),
        }
    }

    fn exports(&self) -> Result<&Exports, ItemError> {
        self.exports
            .as_deref()
            .ok_or_else(|| unusable("there is no object storage for artifacts".into()))
    }

    pub(crate) fn shelf(&self) -> std::sync::MutexGuard<'_, Shelf> {
        self.shelf.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The folder whose files are to be kept, where there is one. Nothing can be written any more.
    pub(crate) fn close(&self) -> (Vec<Artifact>, Option<TempDir>) {
        self.shelf().close()
    }
}

/// Files of the item.
impl ItemContext {
    /// Begins a file of this item, which is called `name`; slashes mean folders. It is recorded if it is
    /// [finished](NewArtifact::finish) and the attempt then succeeds.
    ///
    /// # Errors
    /// Where the name can't be, or there are too many files ([`Output`](ItemErrorKind::Output): another attempt would not
    /// help).
    pub fn create_artifact(
        &self,
        name: &str,
        media_type: Option<&str>,
    ) -> Result<NewArtifact<'_>, ItemError> {
        let exports = self.artifacts.exports()?;
        self.artifacts.shelf().reserve(name)?;
        let key = Objects::artifact_key(&self.space, self.batch, self.index, &self.run(exports), name);
        let writer = exports
            .objects
            .write_artifact(key)
            .map_err(|error| broken(&error))?;
        let media_type = media_type.and_then(artifact::media_type);
        Ok(NewArtifact::new(
            self,
            name.to_owned(),
            media_type
                .unwrap_or_else(|| artifact::media_type_of(name))
                .to_owned(),
            writer,
        ))
    }

    /// Keeps what `from` has as a file of this item: see [`create_artifact`](Self::create_artifact).
    ///
    /// # Errors
    /// Where the name can't be or there is too much of it ([`Output`](ItemErrorKind::Output)), `from` can't be read
    /// ([`Handler`](ItemErrorKind::Handler)), or the storage does not take it ([`Unreachable`](ItemErrorKind::Unreachable):
    /// another attempt may succeed).
    pub async fn write_artifact(
        &self,
        name: &str,
        media_type: Option<&str>,
        mut from: impl AsyncRead + Unpin,
    ) -> Result<Artifact, ItemError> {
        let mut file = self.create_artifact(name, media_type)?;
        let mut piece = vec![0; PIECE];
        loop {
            match from.read(&mut piece).await {
                Ok(0) => return file.finish().await,
                Ok(read) => file.write(&piece[..read]).await?,
                Err(error) => {
                    file.abort().await;
                    let message = format!("can't read what was to become the artifact {name:?}: {error}");
                    return Err(ItemError::new(ItemErrorKind::Handler, message));
                }
            }
        }
    }

    /// A new folder, the same one for this attempt. If it succeeds, the files that are in it become files of the item,
    /// before it is reported; then the folder is removed.
    ///
    /// # Errors
    /// Where it can't be made ([`Unreachable`](ItemErrorKind::Unreachable)).
    pub async fn artifacts_folder(&self) -> Result<PathBuf, ItemError> {
        if let Some(folder) = self.artifacts.shelf().folder() {
            return Ok(folder);
        }
        let folder = self.artifacts.exports()?.desk.folder().await;
        let folder =
            folder.map_err(|error| unusable(format!("can't make a folder for artifacts: {error}")))?;
        self.artifacts.shelf().put(folder)
    }

    /// What the keys of files in object storage may begin with that something else writes before it calls back: where the
    /// item can be completed by [callback](Self::callback), and there is an object storage.
    #[must_use]
    pub fn artifacts_prefix(&self) -> Option<String> {
        self.callback.as_ref()?;
        let run = self.run(self.artifacts.exports().ok()?);
        let item = Objects::artifact_prefix(&self.space, self.batch, self.index);
        Some(format!("{item}{run}/"))
    }

    /// No more than `max` bytes of files: what the handler's own settings say.
    pub(crate) fn limit_artifacts(&self, max: Option<u64>) {
        self.artifacts.shelf().max = max;
    }

    /// How many bytes of files it may have.
    fn most_bytes(&self) -> u64 {
        let own = self.artifacts.shelf().max;
        own.or_else(|| Some(self.artifacts.exports.as_ref()?.max_bytes))
            .unwrap_or(artifact::DEFAULT_MAX_BYTES)
    }

    fn run(&self, exports: &Exports) -> String {
        let mut shelf = self.artifacts.shelf();
        shelf.run.get_or_insert_with(|| exports.run(self.attempt)).clone()
    }
}

/// What a handler hears where the storage does not take a file: another attempt may succeed.
fn broken(error: &Error) -> ItemError {
    // The chain is for operators: it names hosts and folders.
    tracing::warn!(error = error.chain(), "can't store an artifact");
    unusable("can't store an artifact: object storage does not take it".into())
}

fn unusable(message: String) -> ItemError {
    ItemError::new(ItemErrorKind::Unreachable, message)
}

/// What is wrong with the files themselves, and will be again.
fn refused(message: impl Into<String>) -> ItemError {
    ItemError::new(ItemErrorKind::Output, message)
}

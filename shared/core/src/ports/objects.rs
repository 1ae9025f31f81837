//! The port to object storage, which is the trait of the `object_store` crate itself: it is small, and its local, S3,
//! GCS and Azure implementations are its adapters.

mod artifacts;

use std::future::ready;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::stream::BoxStream;
use futures_util::{StreamExt, TryStreamExt};
use object_store::buffered::BufWriter;
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStore, ObjectStoreExt, PutPayload};
use sha2::{Digest, Sha256};
use tokio::io::AsyncWriteExt;

use crate::error::{Error, ErrorKind, Result};
use crate::ids::{BatchId, ItemIndex, Space};

pub use artifacts::{ArtifactWriter, Written};

/// Typed keys over an object store: nobody else builds a path.
#[derive(Debug, Clone)]
pub struct Objects {
    store: Arc<dyn ObjectStore>,
}

const ENGINE: &str = "object storage";

impl Objects {
    /// Over `store`.
    #[must_use]
    pub fn new(store: Arc<dyn ObjectStore>) -> Self {
        Self { store }
    }

    /// Keeps the output of an attempt that is too long for a row, and answers its key. Another attempt at the item has
    /// another key, so that what is recorded is never overwritten by a later duplicate.
    ///
    /// # Errors
    /// Where the storage can't be reached or refuses.
    pub async fn put_output(
        &self,
        space: &Space,
        batch: BatchId,
        index: ItemIndex,
        attempt: u16,
        output: String,
    ) -> Result<String> {
        let key = format!("outputs/{space}/{batch}/{index}.{attempt}.json");
        self.store
            .put(&Path::from(key.as_str()), PutPayload::from(output))
            .await
            .map_err(|e| failed("write", &key, e))?;
        Ok(key)
    }

    /// The key of an output that something else called back with. It has the hash of the output: the same call again
    /// changes nothing, and another one at the same time does not overwrite what is recorded.
    #[must_use]
    pub fn called_back_key(
        space: &Space,
        batch: BatchId,
        index: ItemIndex,
        attempt: u16,
        output: &str,
    ) -> String {
        let hash = Sha256::digest(output.as_bytes());
        let head: String = hash.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
        format!("outputs/{space}/{batch}/{index}.{attempt}-{head}.json")
    }

    /// Keeps an output under its [`called_back_key`](Self::called_back_key).
    ///
    /// # Errors
    /// Where the storage can't be reached or refuses.
    pub async fn put_called_back(&self, key: &str, output: String) -> Result<()> {
        self.store
            .put(&Path::from(key), PutPayload::from(output))
            .await
            .map_err(|e| failed("write", key, e))?;
        Ok(())
    }

    /// Reads what [`put_output`](Self::put_output) kept under `key`. `None` where there is nothing.
    ///
    /// # Errors
    /// Where the storage can't be reached or refuses.
    pub async fn get(&self, key: &str) -> Result<Option<Vec<u8>>> {
        let read = async { self.store.get(&Path::from(key)).await?.bytes().await };
        match read.await {
            Ok(bytes) => Ok(Some(bytes.into())),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(failed("read", key, error)),
        }
    }

    /// Removes everything that a batch kept, but for its archives.
    ///
    /// # Errors
    /// Where the storage can't be reached or refuses.
    pub async fn remove_batch(&self, space: &Space, batch: BatchId) -> Result<()> {
        self.remove_outputs(space, batch).await?;
        self.remove_artifacts(space, batch).await?;
        self.remove_results(space, batch).await
    }

    /// Where the items of a batch are for what follows on this revision of its result.
    #[must_use]
    pub fn results_key(space: &Space, batch: BatchId, revision: u32) -> String {
        format!("results/{space}/{batch}/{revision}.ndjson")
    }

    /// Removes what was written for follow-ups on a batch.
    ///
    /// # Errors
    /// Where the storage can't be reached or refuses.
    pub async fn remove_results(&self, space: &Space, batch: BatchId) -> Result<()> {
        self.remove(&format!("results/{space}/{batch}")).await
    }

    /// Removes the outputs of a batch.
    ///
    /// # Errors
    /// Where the storage can't be reached or refuses.
    pub async fn remove_outputs(&self, space: &Space, batch: BatchId) -> Result<()> {
        self.remove(&format!("outputs/{space}/{batch}")).await
    }

    /// Removes what was made of a batch.
    ///
    /// # Errors
    /// Where the storage can't be reached or refuses.
    pub async fn remove_artifacts(&self, space: &Space, batch: BatchId) -> Result<()> {
        self.remove(&format!("exports/{space}/{batch}")).await
    }

    async fn remove(&self, prefix: &str) -> Result<()> {
        let prefix = Path::from(prefix);
        let keys = self.store.list(Some(&prefix)).map_ok(|object| object.location);
        let removed = self
            .store
            .delete_stream(Box::pin(keys))
            // Somebody else may be removing it at the same time.
            .filter(|removed| ready(!matches!(removed, Err(object_store::Error::NotFound { .. }))))
            .try_for_each(|_| async { Ok(()) })
            .await;
        removed.map_err(|error| failed("remove", prefix.as_ref(), error))
    }

    /// Begins a file that is there once it is [finished](NewFile::finish), and not before; what had its key is replaced
    /// then.
    #[must_use]
    pub fn create(&self, key: &str) -> NewFile {
        let writer = BufWriter::with_capacity(Arc::clone(&self.store), Path::from(key), PART_BYTES);
        NewFile {
            key: key.to_owned(),
            // The next part is gathered while one is under way.
            writer: writer.with_max_concurrency(1),
        }
    }

    /// How long the file under `key` is, and its bytes, piece by piece. `None` where there is nothing.
    ///
    /// # Errors
    /// Where the storage can't be reached or refuses.
    pub async fn read(&self, key: &str) -> Result<Option<(u64, BoxStream<'static, Result<Bytes>>)>> {
        let found = match self.store.get(&Path::from(key)).await {
            Ok(found) => found,
            Err(object_store::Error::NotFound { .. }) => return Ok(None),
            Err(error) => return Err(failed("read", key, error)),
        };
        let (bytes, key) = (found.meta.size, key.to_owned());
        let pieces = found.into_stream();
        Ok(Some((
            bytes,
            pieces.map_err(move |error| failed("read", &key, error)).boxed(),
        )))
    }

    /// The key of the archive of a batch, as it was when it ended for the `revision`th time. Later ones don't replace the
    /// first: of what was removed before them they know nothing.
    #[must_use]
    pub fn archive_key(space: &Space, batch: BatchId, revision: u32) -> String {
        match revision {
            0 | 1 => format!("archives/{space}/{batch}.ndjson.gz"),
            later => format!("archives/{space}/{batch}/{later}.ndjson.gz"),
        }
    }

    /// The revisions of a batch that have an archive, in order.
    ///
    /// # Errors
    /// Where the storage can't be reached or refuses.
    pub async fn archives(&self, space: &Space, batch: BatchId) -> Result<Vec<u32>> {
        let first = Path::from(Self::archive_key(space, batch, 1));
        let mut revisions = match self.store.head(&first).await {
            Ok(_) => vec![1],
            Err(object_store::Error::NotFound { .. }) => Vec::new(),
            Err(error) => return Err(failed("find", first.as_ref(), error)),
        };
        let prefix = Path::from(format!("archives/{space}/{batch}"));
        let later: Vec<ObjectMeta> = self
            .store
            .list(Some(&prefix))
            .try_collect()
            .await
            .map_err(|error| failed("list", prefix.as_ref(), error))?;
        let revision = |object: ObjectMeta| -> Option<u32> {
            object.location.filename()?.split('.').next()?.parse().ok()
        };
        revisions.extend(later.into_iter().filter_map(revision));
        revisions.sort_unstable();
        Ok(revisions)
    }

    /// Answers when the storage does.
    ///
    /// # Errors
    /// Where the storage can't be reached or refuses.
    pub async fn ping(&self) -> Result<()> {
        self.get("flotilla-ping").await.map(drop)
    }
}

/// A file that is being written: what is held of it is a few parts, whatever its length.
#[derive(Debug)]
pub struct NewFile {
    key: String,
    writer: BufWriter,
}

/// What S3 takes as a part, and little memory.
const PART_BYTES: usize = 5 << 20;

impl NewFile {
    /// Appends `bytes`.
    ///
    /// # Errors
    /// Where the storage can't be reached or refuses.
    pub async fn write(&mut self, bytes: impl Into<Bytes>) -> Result<()> {
        let written = self.writer.put(bytes.into()).await;
        written.map_err(|error| failed("write", &self.key, error))
    }

    /// Makes it whole. It is durable when this answers.
    ///
    /// # Errors
    /// Where the storage can't be reached or refuses.
    pub async fn finish(mut self) -> Result<()> {
        self.writer
            .shutdown()
            .await
            .map_err(|error| Error::unavailable(ENGINE, format!("can't write {}", self.key)).because(error))
    }

    /// Gives it up: storages that have parts of it may forget them.
    pub async fn abort(mut self) {
        if let Err(error) = self.writer.abort().await {
            tracing::debug!(key = self.key, %error, "parts of a file that was given up are left");
        }
    }
}

fn failed(verb: &str, key: &str, error: object_store::Error) -> Error {
    let kind = match error {
        object_store::Error::PermissionDenied { .. } | object_store::Error::Unauthenticated { .. } => {
            ErrorKind::Misconfigured
        }
        _ => ErrorKind::Unavailable,
    };
    Error::new(kind, ENGINE, format!("can't {verb} {key}")).because(error)
}

//! The port to object storage, which is the trait of the `object_store` crate itself: it is small, and its local, S3,
//! GCS and Azure implementations are its adapters.

mod artifacts;

use std::future::ready;
use std::sync::Arc;

use futures_util::{StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt, PutPayload};
use sha2::{Digest, Sha256};

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

    /// Removes everything that a batch kept.
    ///
    /// # Errors
    /// Where the storage can't be reached or refuses.
    pub async fn remove_batch(&self, space: &Space, batch: BatchId) -> Result<()> {
        for kind in ["outputs", "exports"] {
            self.remove_below(Path::from(format!("{kind}/{space}/{batch}")))
                .await?;
        }
        Ok(())
    }

    async fn remove_below(&self, prefix: Path) -> Result<()> {
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

    /// Answers when the storage does.
    ///
    /// # Errors
    /// Where the storage can't be reached or refuses.
    pub async fn ping(&self) -> Result<()> {
        self.get("flotilla-ping").await.map(drop)
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

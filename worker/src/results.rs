//! The results of the batch on which an item follows: all of its items with what became of them, a line of JSON each.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use flotilla_core::outcome::{ItemError, ItemErrorKind};
use flotilla_core::ports::Objects;
use flotilla_core::{Error, Result};
use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use tempfile::{NamedTempFile, TempPath};
use tokio::fs::File;
use tokio::io::AsyncWriteExt;
use tokio::time::timeout;

/// How long nothing may come.
const SILENCE: Duration = Duration::from_secs(60);

/// Where they are. The key is of the item's own space, whatever the item says.
#[derive(Clone)]
pub struct Results {
    pub(crate) key: String,
    pub(crate) objects: Objects,
}

impl fmt::Debug for Results {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Results({})", self.key)
    }
}

impl Results {
    /// The file, piece by piece: for handlers of this process.
    ///
    /// # Errors
    /// Where object storage can't be reached, or they were removed.
    pub async fn pieces(&self) -> Result<BoxStream<'static, Result<Bytes>>> {
        let found = timeout(SILENCE, self.objects.read(&self.key)).await;
        match found.map_err(|_| silent())?? {
            Some((_, pieces)) => Ok(pieces),
            None => Err(Error::conflict(
                "object storage",
                format!("{} was removed: the results are gone", self.key),
            )),
        }
    }

    /// A copy on this machine, for programs. It is gone with what is answered.
    ///
    /// # Errors
    /// Why there is none: another attempt may get one.
    pub(crate) async fn file(&self) -> std::result::Result<TempPath, ItemError> {
        let unreadable = |why: String| {
            ItemError::new(
                ItemErrorKind::Unreachable,
                format!("can't get the results of the batch: {why}"),
            )
        };
        let file = NamedTempFile::with_prefix("flotilla-results-").map_err(|e| unreadable(e.to_string()))?;
        let (file, path) = file.into_parts();
        self.copy_to(File::from_std(file))
            .await
            .map_err(|error| unreadable(error.chain().to_string()))?;
        Ok(path)
    }

    async fn copy_to(&self, mut file: File) -> Result<()> {
        let mut pieces = self.pieces().await?;
        let full = |error| Error::unavailable("the temporary folder", "can't write results").because(error);
        while let Some(piece) = timeout(SILENCE, pieces.next()).await.map_err(|_| silent())? {
            file.write_all(&piece?).await.map_err(full)?;
        }
        file.flush().await.map_err(full)
    }
}

fn silent() -> Error {
    Error::unavailable(
        "object storage",
        format!("nothing came for {} s", SILENCE.as_secs()),
    )
}

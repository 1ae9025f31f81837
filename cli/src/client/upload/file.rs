//! A file that is read from its beginning again where an upload broke.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::{Context, Result};
use tokio::fs::File;

/// A regular file, as it was when it was first looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct InputFile {
    path: PathBuf,
    length: u64,
    modified: SystemTime,
}

impl InputFile {
    /// Looks at what is at `path`; answers nothing where that is no regular file, but a pipe, say.
    ///
    /// # Errors
    /// Where it can't be looked at, or is a folder.
    pub(crate) async fn look(path: &Path) -> Result<Option<Self>> {
        let failed = || format!("can't read {}", path.display());
        let about = tokio::fs::metadata(path).await.with_context(failed)?;
        anyhow::ensure!(!about.is_dir(), "{} is a folder", path.display());
        if !about.is_file() {
            return Ok(None);
        }
        Ok(Some(Self {
            path: path.to_owned(),
            length: about.len(),
            modified: about.modified().with_context(failed)?,
        }))
    }

    /// In bytes.
    pub(crate) fn length(&self) -> u64 {
        self.length
    }

    /// Opens it at its beginning.
    ///
    /// # Errors
    /// Where it is another file by now: the server would take what it has of the old one for the start of the new one.
    pub(crate) async fn open(&self) -> Result<File> {
        let path = &self.path;
        anyhow::ensure!(
            Self::look(path).await?.as_ref() == Some(self),
            "{} was changed while it was uploaded",
            path.display()
        );
        let file = File::open(path).await;
        file.with_context(|| format!("can't read {}", path.display()))
    }

    /// What tells it from other files, and from itself with other contents.
    pub(crate) fn identity(&self) -> String {
        let path = self.path.canonicalize().unwrap_or_else(|_| self.path.clone());
        format!("{} {} {:?}", path.display(), self.length, self.modified)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_file_that_changes_is_not_gone_on_with() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        std::fs::write(&path, "1\n").unwrap();
        let file = InputFile::look(&path).await.unwrap().unwrap();
        assert_eq!(file.length(), 2);
        assert!(file.open().await.is_ok());
        let before = file.identity();
        std::fs::write(&path, "1\n2\n").unwrap();
        let error = file.open().await.unwrap_err().to_string();
        assert!(error.contains("was changed"), "{error}");
        assert_ne!(InputFile::look(&path).await.unwrap().unwrap().identity(), before);
        assert!(InputFile::look(folder.path()).await.is_err());
        assert!(InputFile::look(Path::new("/dev/null")).await.unwrap().is_none());
    }
}

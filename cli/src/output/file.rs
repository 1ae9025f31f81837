//! A file that is whole or absent: it is written under another name first.

use std::fs::{File, Permissions};
use std::io::{self, BufWriter, IntoInnerError, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use tempfile::NamedTempFile;

/// A file under way. Dropped, it is gone.
pub(crate) struct NewFile {
    file: BufWriter<NamedTempFile>,
    path: PathBuf,
}

impl NewFile {
    /// A new file beside `path`, so that it can be moved there at once, with the permissions that new files have.
    pub(crate) fn create(path: &Path) -> Result<Self> {
        anyhow::ensure!(
            !path.is_dir(),
            "can't write to {}: it is a folder",
            path.display()
        );
        let folder = folder_of(path);
        let file = tempfile::Builder::new()
            .prefix(".flotilla-results-")
            .permissions(Permissions::from_mode(0o666))
            .tempfile_in(folder)
            .with_context(|| {
                format!(
                    "can't write results to {}; choose another place with --out",
                    folder.display()
                )
            })?;
        Ok(Self {
            file: BufWriter::new(file),
            path: path.to_owned(),
        })
    }

    /// Gives it its name, when all of it is on the disk.
    pub(crate) fn finish(self) -> Result<()> {
        let Self { file, path } = self;
        let failed = || format!("can't write the results to {}", path.display());
        let file = file
            .into_inner()
            .map_err(IntoInnerError::into_error)
            .with_context(failed)?;
        file.as_file().sync_all().with_context(failed)?;
        file.persist(&path).with_context(failed)?;
        // The name too, before the caller removes what the results were made from.
        let folder = File::open(folder_of(&path)).with_context(failed)?;
        folder.sync_all().with_context(failed)
    }
}

impl Write for NewFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

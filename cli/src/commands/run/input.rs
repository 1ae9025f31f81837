//! The file of a run: read once to know its content, once more to send it.

use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use sha2::{Digest, Sha256};
use tempfile::NamedTempFile;

use super::state::State;
use crate::client::upload::Format;

/// A file whose content is known.
#[derive(Debug)]
pub(super) struct Input {
    /// Canonical; `-` for stdin.
    pub(super) path: PathBuf,
    /// SHA-256 of the content.
    pub(super) digest: Vec<u8>,
    /// What it consists of.
    pub(super) format: Format,
    /// Its length in bytes.
    pub(super) length: u64,
    /// What came over stdin, until it has its place.
    spooled: Option<NamedTempFile>,
}

impl Input {
    /// Reads `file`, or stdin for `-`, which is kept in a file in `folder` meanwhile.
    pub(super) fn read(file: &Path, format: Option<Format>, folder: &Path) -> Result<Self> {
        let format = format.unwrap_or_else(|| Format::of_name(file));
        let is_stdin = file == Path::new("-");
        let input = if is_stdin {
            Self::spool(format, folder).context("can't keep what comes over stdin")?
        } else {
            Self::open(file, format).with_context(|| format!("can't read {}", file.display()))?
        };
        let name = if is_stdin {
            "stdin".into()
        } else {
            file.to_string_lossy()
        };
        ensure!(input.length > 0, "there is nothing in {name}: it has no items");
        Ok(input)
    }

    fn open(file: &Path, format: Format) -> Result<Self> {
        let path = file.canonicalize()?;
        let mut content = File::open(&path)?;
        ensure!(!content.metadata()?.is_dir(), "it is a folder");
        let (digest, length) = copy(&mut content, &mut std::io::sink())?;
        Ok(Self {
            path,
            digest,
            format,
            length,
            spooled: None,
        })
    }

    fn spool(format: Format, folder: &Path) -> Result<Self> {
        let mut spooled = NamedTempFile::with_prefix_in("stdin-", folder)?;
        let (digest, length) = copy(&mut std::io::stdin().lock(), spooled.as_file_mut())?;
        spooled.as_file().sync_data()?;
        Ok(Self {
            path: PathBuf::from("-"),
            digest,
            format,
            length,
            spooled: Some(spooled),
        })
    }

    /// The file to send. What came over stdin becomes part of the state.
    pub(super) fn settle(self, state: &State) -> Result<PathBuf> {
        match self.spooled {
            None => Ok(self.path),
            Some(spooled) => {
                let place = state.folder().join("input");
                spooled
                    .persist(&place)
                    .with_context(|| format!("can't keep {}", place.display()))?;
                Ok(place)
            }
        }
    }
}

/// Copies everything, and answers its digest and length.
fn copy(from: &mut impl Read, to: &mut impl Write) -> std::io::Result<(Vec<u8>, u64)> {
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 256 << 10];
    let mut length = 0;
    loop {
        let read = match from.read(&mut buffer) {
            Ok(0) => return Ok((hash.finalize().to_vec(), length)),
            Ok(read) => read,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        let piece = &buffer[..read];
        hash.update(piece);
        to.write_all(piece)?;
        length += read as u64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_content_decides() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.csv");
        std::fs::write(&file, "x\n1\n").unwrap();
        let first = Input::read(&file, None, folder.path()).unwrap();
        assert_eq!((first.format, first.length), (Format::Csv, 4));
        std::fs::write(&file, "x\n2\n").unwrap();
        let second = Input::read(&file, None, folder.path()).unwrap();
        assert_ne!(first.digest, second.digest);
        assert_eq!(first.path, second.path);
    }

    #[test]
    fn what_can_not_be_read_is_named() {
        let folder = tempfile::tempdir().unwrap();
        for (name, part) in [("nowhere.csv", "No such file"), ("", "folder")] {
            let error = Input::read(&folder.path().join(name), None, folder.path()).unwrap_err();
            assert!(format!("{error:#}").contains(part), "{error:#}");
        }
        let empty = folder.path().join("empty.csv");
        std::fs::write(&empty, "").unwrap();
        assert!(Input::read(&empty, None, folder.path()).is_err());
    }
}

//! What is known of the files of one attempt, and its limits.

use std::collections::BTreeSet;
use std::path::PathBuf;

use flotilla_core::artifact::{self, Artifact, MAX_FILES};
use flotilla_core::outcome::ItemError;
use flotilla_core::ports::objects::ArtifactWriter;
use tempfile::TempDir;

use super::{broken, refused};
use crate::item::ItemContext;

/// The files of one attempt.
#[derive(Debug, Default)]
pub(crate) struct Shelf {
    /// What the keys of this run have that no others have.
    pub(super) run: Option<String>,
    /// The most bytes, where the handler's settings say it.
    pub(super) max: Option<u64>,
    names: BTreeSet<String>,
    bytes: u64,
    done: Vec<Artifact>,
    folder: Option<TempDir>,
    closed: bool,
}

impl Shelf {
    /// Takes `name` for one file.
    pub(super) fn reserve(&mut self, name: &str) -> Result<(), ItemError> {
        if self.closed {
            return Err(refused("an artifact was written after its attempt had ended"));
        }
        artifact::check_name(name).map_err(|error| refused(error.to_string()))?;
        if self.names.len() >= MAX_FILES {
            return Err(refused(format!("the item has more than {MAX_FILES} artifacts")));
        }
        if !self.names.insert(name.to_owned()) {
            return Err(refused(format!(
                "the item has two artifacts with the name {name:?}"
            )));
        }
        Ok(())
    }

    /// Counts `more` bytes, of which there may be `max`.
    fn grow(&mut self, more: u64, max: u64) -> Result<(), ItemError> {
        self.bytes = self.bytes.saturating_add(more);
        if self.bytes > max {
            return Err(too_large(max));
        }
        Ok(())
    }

    fn add(&mut self, artifact: Artifact) {
        self.done.push(artifact);
    }

    pub(super) fn folder(&self) -> Option<PathBuf> {
        self.folder.as_ref().map(|folder| folder.path().to_owned())
    }

    /// The folder of the attempt. Of two that were made at the same time, the first one.
    pub(super) fn put(&mut self, folder: TempDir) -> Result<PathBuf, ItemError> {
        if self.closed {
            return Err(refused("an artifact was written after its attempt had ended"));
        }
        Ok(self.folder.get_or_insert(folder).path().to_owned())
    }

    pub(super) fn close(&mut self) -> (Vec<Artifact>, Option<TempDir>) {
        self.closed = true;
        (std::mem::take(&mut self.done), self.folder.take())
    }

    /// Opens it again, for what was in the folder.
    pub(super) fn reopen(&mut self, done: Vec<Artifact>) {
        self.closed = false;
        self.done = done;
    }

    /// Forgets a file that has to be written again.
    pub(super) fn forget(&mut self, name: &str, bytes: u64) {
        self.names.remove(name);
        self.bytes = self.bytes.saturating_sub(bytes);
    }
}

pub(super) fn too_large(max: u64) -> ItemError {
    refused(format!(
        "the artifacts of the item have more than {max} bytes (max_artifact_bytes)"
    ))
}

/// A file that is being written. Dropped, it never was.
pub struct NewArtifact<'a> {
    item: &'a ItemContext,
    name: String,
    media_type: String,
    /// None once it was given up.
    writer: Option<ArtifactWriter>,
}

impl<'a> NewArtifact<'a> {
    pub(super) fn new(
        item: &'a ItemContext,
        name: String,
        media_type: String,
        writer: ArtifactWriter,
    ) -> Self {
        Self {
            item,
            name,
            media_type,
            writer: Some(writer),
        }
    }

    /// Adds `piece`.
    ///
    /// # Errors
    /// Where the item then has too much ([`Output`](flotilla_core::outcome::ItemErrorKind::Output)), or the storage does
    /// not take it ([`Unreachable`](flotilla_core::outcome::ItemErrorKind::Unreachable)). The file is given up.
    pub async fn write(&mut self, piece: &[u8]) -> Result<(), ItemError> {
        let max = self.item.most_bytes();
        let grown = self.item.artifacts.shelf().grow(piece.len() as u64, max);
        let written = match (grown, &mut self.writer) {
            (Err(too_much), _) => Err(too_much),
            (Ok(()), None) => Err(refused(format!("the artifact {:?} was given up", self.name))),
            (Ok(()), Some(writer)) => writer.write(piece).await.map_err(|error| broken(&error)),
        };
        if written.is_err() {
            self.give_up().await;
        }
        written
    }

    /// The end of the file. It is recorded if the attempt succeeds.
    ///
    /// # Errors
    /// Where the storage does not take it ([`Unreachable`](flotilla_core::outcome::ItemErrorKind::Unreachable)).
    pub async fn finish(mut self) -> Result<Artifact, ItemError> {
        let writer = self.writer.take();
        let writer = writer.ok_or_else(|| refused(format!("the artifact {:?} was given up", self.name)))?;
        let (key, written) = writer.finish().await.map_err(|error| broken(&error))?;
        let artifact = Artifact {
            name: self.name,
            key,
            bytes: written.bytes,
            media_type: self.media_type,
            sha256: written.sha256,
        };
        self.item.artifacts.shelf().add(artifact.clone());
        Ok(artifact)
    }

    /// Leaves nothing behind.
    pub async fn abort(mut self) {
        self.give_up().await;
    }

    /// How much was written so far.
    pub(super) fn bytes(&self) -> u64 {
        self.writer.as_ref().map_or(0, ArtifactWriter::bytes)
    }

    async fn give_up(&mut self) {
        if let Some(writer) = self.writer.take() {
            writer.abort().await;
        }
    }
}

//! Files that come of items: written and read piece by piece, with memory that does not depend on their size.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::stream::{BoxStream, Stream, StreamExt, try_unfold};
use object_store::path::{Path, PathPart};
use object_store::{GetOptions, GetRange, MultipartUpload, ObjectStore, ObjectStoreExt, PutPayload};
use sha2::{Digest, Sha256};
use tokio::time::timeout;

use super::{ENGINE, Objects, failed};
use crate::error::{Error, Result};
use crate::ids::{BatchId, ItemIndex, Space};

/// The parts of a file that is written, and what is held of it in memory. No store takes smaller ones, and some want all
/// of them to be equally long.
const PART: usize = 5 << 20;
/// What a part gets to be taken, and a piece to come.
const PATIENCE: Duration = Duration::from_secs(60);
/// The longest key, in bytes: S3's own limit is 1,024.
const MAX_KEY: usize = 1_000;
/// The longest encoded name within a key: the rest of it is known to be shorter than what is left.
const MAX_FILE: usize = 700;
/// The longest encoded part of it: file systems take 255 bytes, and files that are being written have a suffix.
const MAX_FILE_PART: usize = 200;

/// What was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// How long it is.
    pub bytes: u64,
    /// Its SHA-256, in hexadecimal.
    pub sha256: String,
}

impl Objects {
    /// What the keys of all files of an item begin with.
    #[must_use]
    pub fn artifact_prefix(space: &Space, batch: BatchId, index: ItemIndex) -> String {
        format!("exports/{space}/{batch}/{index}/")
    }

    /// The key of the file `name` that came of `run`: something that no other run of any attempt at the item has, so that
    /// what is recorded is never overwritten. A name that would be too long for a key is replaced by its hash.
    #[must_use]
    pub fn artifact_key(space: &Space, batch: BatchId, index: ItemIndex, run: &str, name: &str) -> String {
        let parts: Vec<_> = name.split('/').map(PathPart::from).collect();
        let file = parts.iter().map(AsRef::as_ref).collect::<Vec<&str>>().join("/");
        let fits = file.len() <= MAX_FILE && parts.iter().all(|part| part.as_ref().len() <= MAX_FILE_PART);
        let file = if fits { file } else { hex(&Sha256::digest(name)) };
        format!("{}{run}/{file}", Self::artifact_prefix(space, batch, index))
    }

    /// True where `key` is one of a file of that item, and of nothing else.
    #[must_use]
    pub fn is_artifact_key(space: &Space, batch: BatchId, index: ItemIndex, key: &str) -> bool {
        let below = key.strip_prefix(&Self::artifact_prefix(space, batch, index));
        below.is_some_and(|file| !file.is_empty())
            && key.len() <= MAX_KEY
            && Path::parse(key).is_ok_and(|path| path.as_ref() == key)
    }

    /// Begins to write a file. Nobody sees it before it is [finished](ArtifactWriter::finish).
    ///
    /// # Errors
    /// Where `key` is none.
    pub fn write_artifact(&self, key: String) -> Result<ArtifactWriter> {
        Ok(ArtifactWriter {
            path: parsed(&key)?,
            store: Arc::clone(&self.store),
            key,
            held: BytesMut::new(),
            upload: None,
            hash: Sha256::new(),
            bytes: 0,
        })
    }

    /// The bytes of the file at `key`, or those in `range`, which must not be empty. `None` where there is nothing.
    ///
    /// # Errors
    /// Where the storage can't be reached or refuses, also in the middle.
    pub async fn read_artifact(
        &self,
        key: &str,
        range: Option<Range<u64>>,
    ) -> Result<Option<BoxStream<'static, Result<Bytes>>>> {
        let path = parsed(key)?;
        let options = GetOptions {
            range: range.map(GetRange::Bounded),
            ..GetOptions::default()
        };
        let key = key.to_owned();
        let got = timeout(PATIENCE, self.store.get_opts(&path, options)).await;
        match got.map_err(|_| silent("read", &key))? {
            Ok(found) => Ok(Some(patient(found.into_stream(), key).boxed())),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(failed("read", &key, error)),
        }
    }

    /// How long the file at `key` is; `None` where there is nothing.
    ///
    /// # Errors
    /// Where the storage can't be reached or refuses.
    pub async fn artifact_bytes(&self, key: &str) -> Result<Option<u64>> {
        let path = parsed(key)?;
        let asked = timeout(PATIENCE, self.store.head(&path)).await;
        match asked.map_err(|_| silent("look for", key))? {
            Ok(found) => Ok(Some(found.size)),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(failed("look for", key, error)),
        }
    }

    /// Reads the file at `key` and says what it is; `None` where there is nothing.
    ///
    /// # Errors
    /// Where the storage can't be reached or refuses.
    pub async fn measure_artifact(&self, key: &str) -> Result<Option<Written>> {
        let Some(mut pieces) = self.read_artifact(key, None).await? else {
            return Ok(None);
        };
        let (mut hash, mut bytes) = (Sha256::new(), 0);
        while let Some(piece) = pieces.next().await.transpose()? {
            bytes += piece.len() as u64;
            hash.update(&piece);
        }
        let sha256 = hex(&hash.finalize());
        Ok(Some(Written { bytes, sha256 }))
    }
}

/// A file that is being written. Small ones are one request; larger ones go in parts, and at most one of those is held.
pub struct ArtifactWriter {
    store: Arc<dyn ObjectStore>,
    path: Path,
    key: String,
    held: BytesMut,
    upload: Option<Box<dyn MultipartUpload>>,
    hash: Sha256,
    bytes: u64,
}

impl ArtifactWriter {
    /// Adds `piece`.
    ///
    /// # Errors
    /// Where the storage can't be reached or refuses. Then it must be [given up](Self::abort).
    pub async fn write(&mut self, mut piece: &[u8]) -> Result<()> {
        self.hash.update(piece);
        self.bytes += piece.len() as u64;
        while !piece.is_empty() {
            let (now, later) = piece.split_at(piece.len().min(PART - self.held.len()));
            self.held.extend_from_slice(now);
            piece = later;
            if self.held.len() == PART {
                let part = self.held.split().freeze();
                self.send(part).await?;
            }
        }
        Ok(())
    }

    /// How much was written so far.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The end of the file: from now on it is there. Answers its key and what it is.
    ///
    /// # Errors
    /// Where the storage can't be reached or refuses. Then it was given up.
    pub async fn finish(mut self) -> Result<(String, Written)> {
        if let Err(error) = self.complete().await {
            self.abort().await;
            return Err(error);
        }
        let sha256 = hex(&self.hash.finalize());
        let bytes = self.bytes;
        Ok((self.key, Written { bytes, sha256 }))
    }

    /// Leaves nothing behind, as far as possible.
    pub async fn abort(mut self) {
        if let Some(mut upload) = self.upload.take() {
            // The storage may be what is broken: it removes unfinished uploads by a rule of its own.
            let _ = timeout(PATIENCE, upload.abort()).await;
        }
    }

    async fn complete(&mut self) -> Result<()> {
        let last = self.held.split().freeze();
        if self.upload.is_none() {
            let put = self.store.put(&self.path, PutPayload::from_bytes(last));
            let put = timeout(PATIENCE, put).await;
            put.map_err(|_| silent("write", &self.key))?
                .map_err(|error| failed("write", &self.key, error))?;
            return Ok(());
        }
        if !last.is_empty() {
            self.send(last).await?;
        }
        if let Some(upload) = &mut self.upload {
            let completed = timeout(PATIENCE, upload.complete()).await;
            completed
                .map_err(|_| silent("write", &self.key))?
                .map_err(|error| failed("write", &self.key, error))?;
        }
        Ok(())
    }

    async fn send(&mut self, part: Bytes) -> Result<()> {
        let sent = timeout(PATIENCE, async {
            let upload = match &mut self.upload {
                Some(upload) => upload,
                none => none.insert(self.store.put_multipart(&self.path).await?),
            };
            upload.put_part(PutPayload::from_bytes(part)).await
        });
        sent.await
            .map_err(|_| silent("write", &self.key))?
            .map_err(|error| failed("write", &self.key, error))
    }
}

/// The pieces of `stream`, each of which must come in time.
fn patient(
    stream: BoxStream<'static, object_store::Result<Bytes>>,
    key: String,
) -> impl Stream<Item = Result<Bytes>> {
    try_unfold((stream, key), |(mut stream, key)| async move {
        match timeout(PATIENCE, stream.next()).await {
            Ok(Some(Ok(piece))) => Ok(Some((piece, (stream, key)))),
            Ok(Some(Err(error))) => Err(failed("read", &key, error)),
            Ok(None) => Ok(None),
            Err(_) => Err(silent("read", &key)),
        }
    })
}

/// Keys are taken as they are: they are encoded where they are made, and others write with keys of their own.
fn parsed(key: &str) -> Result<Path> {
    Path::parse(key).map_err(|error| {
        let key: String = key.chars().take(200).collect();
        Error::corrupt(ENGINE, format!("{key:?} is no key")).because(error)
    })
}

fn silent(verb: &str, key: &str) -> Error {
    Error::unavailable(
        ENGINE,
        format!("can't {verb} {key}: no answer within {PATIENCE:?}"),
    )
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item() -> (Space, BatchId, ItemIndex) {
        (Space::default(), BatchId(uuid::Uuid::from_u128(7)), 12)
    }

    #[test]
    fn every_name_has_a_key_of_its_own() {
        let (space, batch, index) = item();
        let key = |name: &str| Objects::artifact_key(&space, batch, index, "1-a", name);
        assert_eq!(
            key("a/b.txt"),
            "exports/default/00000000-0000-0000-0000-000000000007/12/1-a/a/b.txt"
        );
        let wide = "é".repeat(127);
        let deep = "abcdefg/".repeat(99) + "x";
        for name in [
            "a b",
            "a#1",
            "100%",
            "a%23",
            "ü/ñ",
            "..a",
            wide.as_str(),
            deep.as_str(),
        ] {
            let key = key(name);
            assert!(
                Objects::is_artifact_key(&space, batch, index, &key),
                "{name}: {key}"
            );
            assert!(key.split('/').all(|part| part.len() <= 200), "{key}");
        }
        assert_ne!(key(&wide), key(&(wide.clone() + "é")));
    }

    #[test]
    fn a_key_belongs_to_its_item_only() {
        let (space, batch, index) = item();
        let is = |key: &str| Objects::is_artifact_key(&space, batch, index, key);
        let prefix = Objects::artifact_prefix(&space, batch, index);
        for good in ["x", "a/b", "a b", "é", "100%"] {
            assert!(is(&format!("{prefix}{good}")), "{good}");
        }
        let others = [
            String::new(),
            prefix.clone(),
            format!("{prefix}../13/x"),
            format!("{prefix}a//b"),
            format!("{prefix}a/"),
            format!("{prefix}a\n"),
            format!("/{prefix}a"),
            prefix.replace("/12/", "/120/") + "x",
            prefix.replace("default", "other") + "x",
            prefix.replace("exports", "outputs") + "x",
            format!("{prefix}{}", "x".repeat(1_000)),
        ];
        for other in others {
            assert!(!is(&other), "{other}");
        }
    }
}

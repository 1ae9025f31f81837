//! A batch as one archive: its items as lines and as a table, those that failed, all files, and a manifest.
//!
//! It is made while it is sent, without temporary files: what is held is a page of items, a piece of a file, and of each
//! entry what the directory at the end has to say. The client decides how fast it goes. Where it can't go on, the
//! connection is cut.

mod archive;
mod manifest;
mod names;
mod sent;

use bytes::Bytes;
use flotilla_core::artifact::Artifact;
use flotilla_core::item::{Item, ItemFilter, ItemState};
use flotilla_core::{Batch, Error, ItemIndex, Space};
use futures_util::{Stream, StreamExt};
use jiff::Timestamp;
use tokio::sync::OwnedSemaphorePermit;

use super::{Download, Format, Reader};
use crate::app::App;
use crate::artifacts;
use archive::{Archive, Open};
use names::Names;
use sent::{Sender, pieces};

/// The most entries: what is kept of each until the end is bounded together.
const MOST_ENTRIES: usize = 500_000;
/// What is gathered before it is sent.
const PIECE: usize = 128 << 10;

/// The archive, piece by piece. `turn` is held until it ends.
pub(crate) fn stream(
    app: &App,
    space: Space,
    batch: Batch,
    state: Option<ItemState>,
    turn: OwnedSemaphorePermit,
) -> impl Stream<Item = Result<Bytes, Error>> + use<> {
    let (sender, receiver) = sent::channel();
    let (own, shutdown) = (app.clone(), app.deps.tasks.shutdown().clone());
    app.deps.tasks.spawn("zip", async move {
        let began = own.deps.clock.now();
        let zip = Zip {
            archive: Archive::new(began),
            app: own,
            space,
            batch,
            state,
            began,
            out: Vec::new(),
            sender,
        };
        let sender = zip.sender.clone();
        let written = shutdown.until_aborting(zip.write()).await;
        let ended = written.unwrap_or_else(|| Err(Error::unavailable("the API", "it is stopping")));
        if let Err(error) = &ended {
            tracing::warn!(error = error.chain(), "a ZIP download is cut");
        }
        sender.end(ended).await;
        drop(turn);
    });
    pieces(receiver)
}

struct Zip {
    app: App,
    space: Space,
    batch: Batch,
    state: Option<ItemState>,
    began: Timestamp,
    archive: Archive,
    /// What is not sent yet.
    out: Vec<u8>,
    sender: Sender,
}

impl Zip {
    async fn write(mut self) -> Result<(), Error> {
        let filter = ItemFilter::in_state(self.state);
        self.items("results.ndjson", Format::Ndjson, Some(filter)).await?;
        self.items("results.csv", Format::Csv, Some(filter)).await?;
        let failed = ItemFilter::in_state(Some(ItemState::Failed));
        // Of items in another state, none has failed.
        let failed = self
            .state
            .is_none_or(|state| state == ItemState::Failed)
            .then_some(failed);
        self.items("errors.ndjson", Format::Ndjson, failed).await?;
        self.files(filter).await?;
        self.manifest().await?;
        self.directory().await
    }

    /// An entry with the items that `filter` chooses, in one of the forms of a file.
    async fn items(&mut self, name: &str, format: Format, filter: Option<ItemFilter>) -> Result<(), Error> {
        let mut open = self.archive.begin_text(name, &mut self.out);
        if let Some(filter) = filter {
            let download = Download::begin(self.app.clone(), self.space.clone(), &self.batch, filter, format);
            let mut download = download.await?;
            loop {
                let (piece, more) = download.piece().await?;
                for piece in piece.chunks(PIECE) {
                    open.write(piece, &mut self.out);
                    self.send(PIECE).await?;
                }
                if !more {
                    break;
                }
            }
        }
        self.archive.end(open, &mut self.out);
        Ok(())
    }

    /// An entry for each file of these items.
    async fn files(&mut self, filter: ItemFilter) -> Result<(), Error> {
        let mut reader = Reader::new(self.app.clone(), self.space.clone(), &self.batch, filter);
        loop {
            let items = reader.page().await?;
            if items.is_empty() {
                return Ok(());
            }
            for item in items {
                self.files_of(&reader, item).await?;
            }
        }
    }

    async fn files_of(&mut self, reader: &Reader, item: Item) -> Result<(), Error> {
        let index = item.index;
        let artifacts = if item.artifacts_left_out {
            reader.alone(index).await?.artifacts
        } else {
            item.artifacts
        };
        let mut names = Names::default();
        for artifact in artifacts {
            let name = names.take(&artifact.name);
            self.file(reader, index, &artifact, &name).await?;
        }
        Ok(())
    }

    async fn file(
        &mut self,
        reader: &Reader,
        index: ItemIndex,
        artifact: &Artifact,
        name: &str,
    ) -> Result<(), Error> {
        if self.archive.len() >= MOST_ENTRIES {
            let what = format!("it has more than {MOST_ENTRIES} files: download those of fewer items");
            return Err(Error::conflict("an archive", what));
        }
        let gone = || {
            let what = format!("{} is recorded and not there any more", artifact.key);
            Error::corrupt("object storage", what)
        };
        let objects = &self.app.deps.objects;
        let pieces = artifacts::open(&reader.owner, objects, index, artifact, None).await?;
        let mut pieces = pieces.ok_or_else(gone)?;
        let name = format!("artifacts/{index}/{name}");
        let mut open = self.archive.begin_file(&name, artifact.bytes, &mut self.out);
        while let Some(piece) = pieces.next().await {
            for piece in piece?.chunks(PIECE) {
                open.write(piece, &mut self.out);
                self.send(PIECE).await?;
            }
        }
        let sha256 = self.archive.end(open, &mut self.out);
        if manifest::hex(&sha256) == artifact.sha256 {
            Ok(())
        } else {
            let what = format!("{} is not what was recorded", artifact.key);
            Err(Error::corrupt("object storage", what))
        }
    }

    async fn manifest(&mut self) -> Result<(), Error> {
        let state = self.state.map(ItemState::as_str);
        let head = manifest::head(&self.batch, state, self.began)?;
        let mut open: Open = self.archive.begin_text(manifest::NAME, &mut self.out);
        open.write(head.as_bytes(), &mut self.out);
        for at in 0..self.archive.len() {
            let line = manifest::line(&self.archive, at)?;
            open.write(line.as_bytes(), &mut self.out);
            self.send(PIECE).await?;
        }
        open.write(manifest::TAIL.as_bytes(), &mut self.out);
        self.archive.end(open, &mut self.out);
        Ok(())
    }

    /// What readers look for first.
    async fn directory(&mut self) -> Result<(), Error> {
        let mut bytes = 0;
        for at in 0..self.archive.len() {
            let before = self.out.len();
            self.archive.put_record(at, &mut self.out);
            bytes += (self.out.len() - before) as u64;
            self.send(PIECE).await?;
        }
        self.archive.put_end(bytes, &mut self.out);
        self.send(0).await
    }

    /// Sends what there is, once it is as much as `least`.
    async fn send(&mut self, least: usize) -> Result<(), Error> {
        if self.out.len() < least {
            return Ok(());
        }
        let piece = std::mem::replace(&mut self.out, Vec::with_capacity(PIECE + PIECE / 4));
        self.sender.send(piece.into()).await
    }
}

//! All items of a batch as a file in object storage, with memory that does not depend on their number: the lines are those
//! of a download.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use flotilla_core::item::ItemFilter;
use flotilla_core::item_line::{affordable, fitting, hide_expiring, ndjson, with_outputs};
use flotilla_core::ports::objects::NewFile;
use flotilla_core::{Batch, Error, Result};

use crate::Deps;

/// Bytes of inputs and outputs that are read at once.
const PAGE_BYTES: usize = 1 << 20;
/// Items that are read at once.
const PAGE: u32 = 1_000;

/// How a file is packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Packing {
    Plain,
    Gzip,
}

/// What was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Written {
    /// How long the file is.
    pub(crate) bytes: u64,
    /// How many items it has.
    pub(crate) lines: u64,
}

/// Packs lines, or doesn't.
enum Packer {
    Plain(Vec<u8>),
    Gzip(GzEncoder<Vec<u8>>),
}

impl Packer {
    fn new(packing: Packing) -> Self {
        match packing {
            Packing::Plain => Self::Plain(Vec::new()),
            Packing::Gzip => Self::Gzip(GzEncoder::new(Vec::new(), Compression::fast())),
        }
    }

    /// Takes a page; answers what came out so far.
    fn take(&mut self, page: Vec<u8>) -> std::io::Result<Vec<u8>> {
        match self {
            Self::Plain(_) => Ok(page),
            Self::Gzip(packer) => {
                packer.write_all(&page)?;
                Ok(std::mem::take(packer.get_mut()))
            }
        }
    }

    /// What is left.
    fn finish(self) -> std::io::Result<Vec<u8>> {
        match self {
            Self::Plain(rest) => Ok(rest),
            Self::Gzip(packer) => packer.finish(),
        }
    }
}

/// Writes the items of `batch` to `key`. The file is there as a whole, or as it was before. `None` where the batch is not
/// any more what it was when `batch` was read: it runs again, or another process has written this file and went on to remove
/// what is in it. What was read meanwhile may be half of it, and must not replace the whole.
///
/// # Errors
/// Where an engine is away, or not every item can be read: the batch is being removed, say.
pub(crate) async fn write(
    deps: &Deps,
    batch: &Batch,
    key: &str,
    packing: Packing,
) -> Result<Option<Written>> {
    let mut file = deps.objects.create(key);
    let filled = fill(deps, batch, &mut file, packing).await;
    // After the last page was read: then all pages are of that batch, however long the file takes to be finished.
    let unchanged = is_unchanged(deps, batch).await;
    let left = match (filled, unchanged) {
        (Ok(written), Ok(true)) => return file.finish().await.map(|()| Some(written)),
        (_, Ok(false)) => Ok(None),
        (Err(error), _) | (Ok(_), Err(error)) => Err(error),
    };
    file.abort().await;
    left
}

/// True while nothing of `batch` has moved or was removed.
async fn is_unchanged(deps: &Deps, batch: &Batch) -> Result<bool> {
    let now = deps.store.batch(&batch.space, batch.id).await?;
    Ok(now.is_some_and(|now| {
        (now.version, now.revision, &now.expired) == (batch.version, batch.revision, &batch.expired)
    }))
}

async fn fill(deps: &Deps, batch: &Batch, file: &mut NewFile, packing: Packing) -> Result<Written> {
    let mut packer = Packer::new(packing);
    let page = affordable(batch, PAGE_BYTES).min(PAGE);
    let mut filter = ItemFilter::default();
    let mut written = Written { bytes: 0, lines: 0 };
    loop {
        let mut items = deps.store.items(&batch.space, batch.id, &filter, page).await?;
        items.truncate(fitting(&items, PAGE_BYTES));
        let Some(last) = items.last() else {
            break;
        };
        filter.after = Some(last.index);
        written.lines += items.len() as u64;
        hide_expiring(batch, &mut items);
        let page = ndjson(&with_outputs(&deps.objects, batch, items).await?)?;
        let packed = packer.take(page).map_err(unpackable)?;
        written.bytes += packed.len() as u64;
        file.write(packed).await?;
    }
    if written.lines != u64::from(batch.counts.total) {
        let (lines, total) = (written.lines, batch.counts.total);
        let detail = format!("{lines} of {total} items could be read: it is being removed");
        return Err(Error::conflict("the batch", detail));
    }
    let rest = packer.finish().map_err(unpackable)?;
    written.bytes += rest.len() as u64;
    file.write(rest).await?;
    Ok(written)
}

fn unpackable(error: std::io::Error) -> Error {
    Error::corrupt("a file of items", "it can't be packed").because(error)
}

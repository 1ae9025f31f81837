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
    Gzip,
}

/// Writes the items of `batch` to `key`. The file is there as a whole, or as it was before.
///
/// # Errors
/// Where an engine is away, or not every item can be read: the batch is being removed, say.
pub(crate) async fn write(deps: &Deps, batch: &Batch, key: &str, packing: Packing) -> Result<()> {
    let mut file = deps.objects.create(key);
    match fill(deps, batch, &mut file, packing).await {
        Ok(()) => file.finish().await,
        Err(error) => {
            file.abort().await;
            Err(error)
        }
    }
}

async fn fill(deps: &Deps, batch: &Batch, file: &mut NewFile, packing: Packing) -> Result<()> {
    let Packing::Gzip = packing;
    let mut packer = GzEncoder::new(Vec::new(), Compression::fast());
    let page = affordable(batch, PAGE_BYTES).min(PAGE);
    let mut filter = ItemFilter::default();
    let mut lines = 0_usize;
    loop {
        let mut items = deps.store.items(&batch.space, batch.id, &filter, page).await?;
        items.truncate(fitting(&items, PAGE_BYTES));
        let Some(last) = items.last() else {
            break;
        };
        filter.after = Some(last.index);
        lines += items.len();
        hide_expiring(batch, &mut items);
        let page = ndjson(&with_outputs(&deps.objects, batch, items).await?)?;
        packer.write_all(&page).map_err(unpackable)?;
        file.write(std::mem::take(packer.get_mut())).await?;
    }
    if lines != batch.counts.total as usize {
        let detail = format!(
            "{lines} of {} items could be read: it is being removed",
            batch.counts.total
        );
        return Err(Error::conflict("the batch", detail));
    }
    file.write(packer.finish().map_err(unpackable)?).await
}

fn unpackable(error: std::io::Error) -> Error {
    Error::corrupt("a file of items", "it can't be packed").because(error)
}

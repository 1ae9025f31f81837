//! All items of a batch as one file, in input order, with memory that does not depend on their number.
//!
//! A page at a time is read, written, and sent before the next one is read: the client decides how fast that goes. Where
//! it can't go on, the connection is cut, so that no client takes a part for the whole.

mod csv;
mod reader;
mod skipped;
mod zip;

pub(crate) use skipped::Skipped;

use bytes::Bytes;
use flotilla_core::item::{Item, ItemFilter};
use flotilla_core::item_line::ndjson;
use flotilla_core::{Batch, Error, Space};
use futures_util::stream::{Stream, try_unfold};

use crate::app::App;
use crate::outputs;
use crate::views::ItemView;
use reader::Reader;

pub(crate) use zip::stream as zip;

/// The form of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    /// An item as JSON per line.
    Ndjson,
    /// A table, with columns for what the first items have.
    Csv,
}

impl Format {
    pub(crate) fn of(name: &str) -> Option<Self> {
        match name {
            "ndjson" => Some(Self::Ndjson),
            "csv" => Some(Self::Csv),
            _ => None,
        }
    }

    pub(crate) fn media_type(self) -> &'static str {
        match self {
            Self::Ndjson => "application/x-ndjson",
            Self::Csv => "text/csv; charset=utf-8",
        }
    }

    /// What the name of the file ends with.
    pub(crate) fn extension(self) -> &'static str {
        match self {
            Self::Ndjson => "ndjson",
            Self::Csv => "csv",
        }
    }
}

/// Writes pages of items in one of the forms.
enum Writer {
    Ndjson,
    Csv(csv::Table),
}

impl Writer {
    fn write(&self, items: &[ItemView]) -> Result<Vec<u8>, Error> {
        match self {
            Self::Ndjson => ndjson(items),
            Self::Csv(table) => table.rows(items),
        }
    }
}

/// A file under way.
pub(crate) struct Download {
    reader: Reader,
    writer: Writer,
    /// What comes before the first item.
    head: Vec<u8>,
}

impl Download {
    /// Begins a file of the items that `filter` chooses. A table is laid out by the first of all items in this state: so it
    /// has the same columns wherever it goes on, and then no header.
    ///
    /// # Errors
    /// Where the first page can't be read.
    pub(crate) async fn begin(
        app: App,
        space: Space,
        batch: &Batch,
        filter: ItemFilter,
        format: Format,
    ) -> Result<Self, Error> {
        let mut download = Self {
            reader: Reader::new(app, space, batch, filter),
            writer: Writer::Ndjson,
            head: Vec::new(),
        };
        if format == Format::Csv {
            let first = download.views(download.reader.first().await?).await?;
            let table = csv::Table::of(&first);
            if filter.after.is_none() {
                download.head = table.header()?;
            }
            download.writer = Writer::Csv(table);
        }
        Ok(download)
    }

    /// The file, piece by piece.
    pub(crate) fn pieces(self) -> impl Stream<Item = Result<Bytes, Error>> {
        try_unfold(Some(self), |download| async {
            let Some(mut download) = download else {
                return Ok(None);
            };
            let shutdown = download.reader.app.deps.tasks.shutdown().clone();
            let piece = shutdown.until_aborting(download.piece()).await;
            let (piece, more) =
                piece.unwrap_or_else(|| Err(Error::unavailable("the API", "it is stopping")))?;
            Ok(Some((piece, more.then_some(download))))
        })
    }

    /// The next piece, and whether there are more.
    async fn piece(&mut self) -> Result<(Bytes, bool), Error> {
        let mut piece = std::mem::take(&mut self.head);
        let items = self.reader.page().await?;
        let more = !items.is_empty();
        piece.extend(self.writer.write(&self.views(items).await?)?);
        Ok((piece.into(), more))
    }

    async fn views(&self, items: Vec<Item>) -> Result<Vec<ItemView>, Error> {
        let Reader { app, batch, .. } = &self.reader;
        outputs::views(&app.deps.objects, batch, items).await
    }
}

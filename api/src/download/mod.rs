//! All items of a batch as one file, in input order, with memory that does not depend on their number.
//!
//! A page at a time is read, written, and sent before the next one is read: the client decides how fast that goes. Where
//! it can't go on, the connection is cut, so that no client takes a part for the whole.

mod csv;
mod skipped;

pub(crate) use skipped::Skipped;

use bytes::Bytes;
use flotilla_core::item::{Item, ItemFilter};
use flotilla_core::item_line::ndjson;
use flotilla_core::{Batch, Error, ItemIndex, Space};
use futures_util::stream::{Stream, try_unfold};

use crate::app::App;
use crate::intake::writes::repeat;
use crate::outputs;
use crate::params::MAX_LIMIT;
use crate::problem::Problem;
use crate::views::ItemView;

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
    app: App,
    space: Space,
    batch: Batch,
    page: u32,
    filter: ItemFilter,
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
    ) -> Result<Self, Problem> {
        let page = outputs::affordable(batch, app.config.page_bytes).min(MAX_LIMIT);
        let begins = filter.after.is_none();
        let mut download = Self {
            app,
            space,
            batch: batch.clone(),
            page,
            filter,
            writer: Writer::Ndjson,
            head: Vec::new(),
        };
        if format == Format::Csv {
            let (first, _) = download.read(None).await?;
            let table = csv::Table::of(&first);
            if begins {
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
            let shutdown = download.app.deps.tasks.shutdown().clone();
            let piece = shutdown.until_aborting(download.piece()).await;
            let (piece, more) =
                piece.unwrap_or_else(|| Err(Error::unavailable("the API", "it is stopping")))?;
            Ok(Some((piece, more.then_some(download))))
        })
    }

    /// The next piece, and whether there are more.
    async fn piece(&mut self) -> Result<(Bytes, bool), Error> {
        let mut piece = std::mem::take(&mut self.head);
        let (items, last) = self.read(self.filter.after).await?;
        piece.extend(self.writer.write(&items)?);
        match last {
            Some(last) => self.filter.after = Some(last),
            // A batch that was deleted meanwhile has no items either.
            None if self
                .app
                .deps
                .store
                .batch(&self.space, self.batch.id)
                .await?
                .is_none() =>
            {
                return Err(Error::conflict(
                    "the batch",
                    "it was deleted while it was downloaded",
                ));
            }
            None => {}
        }
        Ok((piece.into(), last.is_some()))
    }

    /// The items behind `after`, as many as one page takes, and the index of the last of them.
    async fn read(&self, after: Option<ItemIndex>) -> Result<(Vec<ItemView>, Option<ItemIndex>), Error> {
        let deps = &self.app.deps;
        let filter = ItemFilter { after, ..self.filter };
        let read = || deps.store.items(&self.space, self.batch.id, &filter, self.page);
        let mut items: Vec<Item> = repeat("read items", read).await.0?;
        items.truncate(outputs::fitting(&items, self.app.config.page_bytes));
        let last = items.last().map(|item| item.index);
        Ok((outputs::views(&deps.objects, &self.batch, items).await?, last))
    }
}

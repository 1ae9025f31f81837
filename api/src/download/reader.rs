//! The items of a batch, a page at a time.

use flotilla_core::artifact::Owner;
use flotilla_core::item::{Item, ItemFilter};
use flotilla_core::{Batch, Error, ItemIndex, Space, item_line};

use crate::app::App;
use crate::intake::writes::repeat;
use crate::outputs;
use crate::params::MAX_LIMIT;

/// Reads items that a filter chooses, in input order.
pub(super) struct Reader {
    pub(super) app: App,
    pub(super) owner: Owner,
    pub(super) batch: Batch,
    limit: u32,
    filter: ItemFilter,
}

impl Reader {
    pub(super) fn new(app: App, space: Space, batch: &Batch, filter: ItemFilter) -> Self {
        Self {
            limit: outputs::affordable(batch, app.config.page_bytes).min(MAX_LIMIT),
            app,
            owner: Owner {
                space,
                batch: batch.id,
            },
            batch: batch.clone(),
            filter,
        }
    }

    /// The next items; none, where there are no more.
    pub(super) async fn page(&mut self) -> Result<Vec<Item>, Error> {
        let items = self.read(self.filter.after).await?;
        match items.last() {
            Some(last) => self.filter.after = Some(last.index),
            // A batch that was deleted meanwhile has no items either.
            None => {
                let store = &self.app.deps.store;
                if store.batch(&self.owner.space, self.owner.batch).await?.is_none() {
                    return Err(deleted());
                }
            }
        }
        Ok(items)
    }

    /// The first items, wherever it is.
    pub(super) async fn first(&self) -> Result<Vec<Item>, Error> {
        self.read(None).await
    }

    /// An item with all that belongs to it.
    pub(super) async fn alone(&self, index: ItemIndex) -> Result<Item, Error> {
        let filter = ItemFilter::of(index);
        let (store, owner) = (&self.app.deps.store, &self.owner);
        let read = || store.items(&owner.space, owner.batch, &filter, 1);
        let mut items: Vec<Item> = repeat("read an item", read).await.0?;
        item_line::hide_expiring(&self.batch, &mut items);
        items.pop().ok_or_else(deleted)
    }

    /// The items behind `after`, as many as one page takes.
    async fn read(&self, mut after: Option<ItemIndex>) -> Result<Vec<Item>, Error> {
        let (store, owner) = (&self.app.deps.store, &self.owner);
        let mut items: Vec<Item> = loop {
            let filter = ItemFilter { after, ..self.filter }.stretch();
            let read = || store.items(&owner.space, owner.batch, &filter, self.limit);
            let items = repeat("read items", read).await.0?;
            // Nothing in this stretch. There may be something in the next one.
            match filter.before {
                Some(before) if items.is_empty() && before < self.batch.counts.total => {
                    after = Some(before - 1);
                }
                _ => break items,
            }
        };
        items.truncate(outputs::fitting(&items, self.app.config.page_bytes));
        item_line::hide_expiring(&self.batch, &mut items);
        Ok(items)
    }
}

fn deleted() -> Error {
    Error::conflict("the batch", "it was deleted while it was downloaded")
}

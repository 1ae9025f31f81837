//! Items as clients read them, in pages of bounded size.

use flotilla_core::item::Item;
use flotilla_core::ports::Objects;
use flotilla_core::{Batch, Result, item_line};

pub(crate) use flotilla_core::item_line::{affordable, fitting};

use crate::views::ItemView;

/// Items of `batch` as clients read them, in the same order, each with its output wherever that is kept.
///
/// # Errors
/// Where object storage is needed and does not answer.
pub(crate) async fn views(objects: &Objects, batch: &Batch, mut items: Vec<Item>) -> Result<Vec<ItemView>> {
    item_line::hide_expiring(batch, &mut items);
    let lines = item_line::with_outputs(objects, batch, items).await?;
    Ok(lines.into_iter().map(ItemView).collect())
}

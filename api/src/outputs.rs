//! The outputs of items, wherever they are kept, in pages of bounded size.

use flotilla_core::artifact;
use flotilla_core::item::Item;
use flotilla_core::outcome::{ItemError, ItemErrorKind, Output};
use flotilla_core::ports::Objects;
use flotilla_core::{Batch, Json, Result};
use futures_util::{StreamExt, TryStreamExt, stream};

use crate::artifacts::Owner;
use crate::views::ItemView;

/// Objects that are read at once.
const READS: usize = 8;

/// How many items of `batch` may be read at once, if all inputs were as long as the longest.
pub(crate) fn affordable(batch: &Batch, bytes: usize) -> u32 {
    let longest = (batch.max_input_bytes as usize).max(1);
    u32::try_from(bytes / longest).unwrap_or(u32::MAX - 1).max(1)
}

/// How many of `items` fit into `bytes`; at least one.
pub(crate) fn fitting(items: &[Item], bytes: usize) -> usize {
    let mut left = bytes as u64;
    let fits = items
        .iter()
        .take_while(|item| match left.checked_sub(size(item)) {
            Some(rest) => {
                left = rest;
                true
            }
            None => false,
        });
    fits.count().max(1)
}

fn size(item: &Item) -> u64 {
    let output = match &item.output {
        Some(Output::Inline(json)) => json.len() as u64,
        Some(Output::Stored { bytes, .. }) => *bytes,
        None => 0,
    };
    item.input.len() as u64 + output + artifact::size(&item.artifacts) as u64
}

/// Items of `owner` as clients read them, in the same order.
///
/// # Errors
/// Where object storage is needed and does not answer.
pub(crate) async fn views(objects: &Objects, owner: &Owner, items: Vec<Item>) -> Result<Vec<ItemView>> {
    let views = items.into_iter().map(|item| view(objects, owner, item));
    stream::iter(views).buffered(READS).try_collect().await
}

async fn view(objects: &Objects, owner: &Owner, mut item: Item) -> Result<ItemView> {
    let output = match item.output.take() {
        None => Ok(None),
        Some(Output::Inline(json)) => Ok(Some(json)),
        Some(Output::Stored { key, .. }) => fetch(objects, &key).await?.map(Some),
    };
    Ok(ItemView::new(item, owner, output))
}

/// The output under `key`. One that is not there (any more) is a fault of this item, not of its page.
async fn fetch(objects: &Objects, key: &str) -> Result<std::result::Result<Json, ItemError>> {
    let lost = |what: &str| {
        tracing::error!(key, "an output is {what}");
        ItemError::new(
            ItemErrorKind::Output,
            format!("the output was stored as {key}, which is {what}"),
        )
    };
    Ok(match objects.get(key).await? {
        None => Err(lost("gone")),
        Some(bytes) => Json::parse_bytes(bytes).map_err(|_| lost("not JSON")),
    })
}

#[cfg(test)]
mod tests {
    use flotilla_core::item::ItemState;

    use super::*;

    fn item(input: usize, stored: u64) -> Item {
        Item {
            index: 0,
            custom_id: None,
            state: ItemState::Succeeded,
            attempts: 1,
            input: Json::string(&"x".repeat(input - 2)),
            output: Some(Output::Stored {
                key: "k".into(),
                bytes: stored,
            }),
            error: None,
            artifacts: Vec::new(),
            artifacts_left_out: false,
            started_at: None,
            finished_at: None,
            duration_us: None,
        }
    }

    #[test]
    fn a_page_is_bounded_and_never_empty() {
        let items = [item(10, 90), item(50, 50), item(10, 1)];
        assert_eq!(fitting(&items, 1_000), 3);
        assert_eq!(fitting(&items, 200), 2);
        assert_eq!(fitting(&items, 199), 1);
        assert_eq!(fitting(&items, 5), 1);
    }
}

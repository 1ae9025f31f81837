//! Items as rows.

use bytes::Bytes;
use flotilla_core::item::NewItem;
use flotilla_core::{BatchId, ItemIndex};

use crate::binary;

/// The columns that [`encode`] writes, in this order.
pub(super) const COPY: &str =
    "COPY batch_items (batch_id, index, custom_id, input) FROM STDIN (FORMAT binary)";

/// The items as pieces of the stream.
pub(crate) fn encode(
    batch: BatchId,
    first: ItemIndex,
    items: &[NewItem],
) -> impl Iterator<Item = Bytes> + Send {
    binary::encode((first..).zip(items), move |row, (index, item)| {
        row.bytes(batch.0.as_bytes());
        row.bytes(&index.to_be_bytes());
        row.text(item.custom_id.as_deref());
        row.text(Some(item.input.as_str()));
    })
}

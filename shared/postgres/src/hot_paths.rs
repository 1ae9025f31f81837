//! What this adapter does once per item, without a connection around it: so that `bench/instructions` can count it.

use bytes::Bytes;
use flotilla_core::item::NewItem;
use flotilla_core::outcome::Outcome;
use flotilla_core::record::{BatchRecord, Writes};
use flotilla_core::{BatchId, ItemIndex};
use jiff::Timestamp;

use crate::writes::outcomes::Rows;
use crate::writes::{Change, Kept};

/// What is sent to the server to store `items`, the first of which gets the index `first`.
pub fn copy_items(batch: BatchId, first: ItemIndex, items: &[NewItem]) -> impl Iterator<Item = Bytes> {
    crate::intake::copy::encode(batch, first, items)
}

/// Outcomes that a transaction stores.
#[derive(Debug)]
pub struct Settled([Change; 1]);

impl Settled {
    /// Those of one batch.
    #[must_use]
    pub fn of(record: BatchRecord, outcomes: Vec<Outcome>) -> Self {
        Self([Change {
            before: Kept::of(&record),
            record,
            writes: Writes {
                outcomes,
                ..Writes::default()
            },
            ended_retries: Vec::new(),
        }])
    }

    /// Makes what is sent to the server to store them. Answers whether there is anything.
    #[must_use]
    pub fn copy(&self, now: Timestamp) -> bool {
        !Rows::of(&self.0, now).is_empty()
    }
}

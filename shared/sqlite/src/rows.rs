//! Rows as values of the domain.

mod batch;
mod item;
mod outcome;
mod text;

pub(crate) use batch::BatchRow;
pub(crate) use item::{ITEM_COLUMNS, item};
pub(crate) use outcome::insert as insert_outcome;
pub(crate) use text::Raw;

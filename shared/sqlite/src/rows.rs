//! Rows as values of the domain.

mod batch;
mod claimed;
pub(crate) mod dead_letter;
pub(crate) mod event;
pub(crate) mod expiry;
mod item;
pub(crate) mod lease;
pub(crate) mod outcome;
mod place;
pub(crate) mod retry;
mod spec;
mod text;
pub(crate) mod tried;

pub(crate) use batch::{BatchRow, seal_at};
pub(crate) use claimed::Claimed;
pub(crate) use item::{ITEM_COLUMNS, Kind, item};
pub(crate) use place::{Places, read_retry};
pub(crate) use spec::millis;
pub(crate) use text::{Raw, Text};

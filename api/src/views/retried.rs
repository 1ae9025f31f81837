//! What became of items that were appended, or are to run again.

use serde::Serialize;
use utoipa::ToSchema;

use super::BatchView;

/// Items that were appended.
#[derive(Serialize, ToSchema)]
pub(crate) struct AppendedItems {
    /// How many.
    pub(crate) appended: u32,
    /// How many the batch has now.
    pub(crate) total: u32,
}

/// Items that run again.
#[derive(Serialize, ToSchema)]
pub(crate) struct Retried {
    /// How many.
    pub(crate) items: u32,
    /// Nothing was done, only counted.
    pub(crate) dry_run: bool,
    /// The batch as it is now.
    pub(crate) batch: BatchView,
}

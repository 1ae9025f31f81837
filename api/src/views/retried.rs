//! What became of items that are to run again.

use serde::Serialize;
use utoipa::ToSchema;

use super::BatchView;

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

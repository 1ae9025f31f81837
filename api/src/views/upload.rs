//! What became of an upload, or would.

use flotilla_core::Json;
use serde::Serialize;
use utoipa::ToSchema;

use crate::intake::dry_run::Checked;

/// What would become of an upload. Nothing was stored.
#[derive(Serialize, ToSchema)]
#[schema(as = DryRun)]
pub(crate) struct DryRunView {
    /// How many items the batch would have, or get.
    items: u32,
    /// How many would be left out, with `on_invalid=skip`.
    skipped: u32,
    /// Bytes of the items, as JSON.
    bytes: u64,
    /// The first item, as its handler would get it.
    #[schema(value_type = Option<Value>)]
    first: Option<Json>,
    /// How long it would run; null where no batch of this job type has completed in this space.
    estimate: Option<EstimateView>,
}

/// How long a batch would run, by how those of its job type did.
#[derive(Serialize, ToSchema)]
#[schema(as = Estimate)]
struct EstimateView {
    /// As fast as the fastest of them, in seconds.
    low_s: f64,
    /// As slow as the slowest of them, in seconds.
    high_s: f64,
    /// How many batches that is.
    based_on: usize,
}

impl From<Checked> for DryRunView {
    fn from(checked: Checked) -> Self {
        Self {
            items: checked.items,
            skipped: checked.skipped,
            bytes: checked.bytes,
            first: checked.first,
            estimate: checked.estimate.map(|estimate| EstimateView {
                low_s: estimate.low_s,
                high_s: estimate.high_s,
                based_on: estimate.based_on,
            }),
        }
    }
}

/// Items that were appended.
#[derive(Serialize, ToSchema)]
pub(crate) struct AppendedItems {
    /// How many.
    pub(crate) appended: u32,
    /// How many were left out because the producer sent them before, or the space accepted their `custom_id` of late.
    pub(crate) deduplicated: u32,
    /// How many are listed at `/v1/batches/{id}/skipped` since.
    pub(crate) skipped: u32,
    /// How many items the batch has now.
    pub(crate) total: u32,
    /// Of a producer: how much it has sent in all, and where it goes on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) offset: Option<u32>,
}

/// How far a producer is with a batch.
#[derive(Serialize, ToSchema)]
pub(crate) struct Producer {
    /// Its name.
    pub(crate) producer: String,
    /// How much it has sent, and where it goes on.
    pub(crate) offset: u32,
}

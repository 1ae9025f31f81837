//! What became of a callback.

use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

/// Where the item stands after a call.
#[derive(Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct CallAnswer {
    /// `succeeded`, `failed`, `cancelled` (its batch was), `retrying` (another attempt follows) or `waiting`.
    #[schema(example = "succeeded")]
    pub(crate) state: &'static str,
    /// Until when the item waits for the next call, where it does.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub(crate) until: Option<Timestamp>,
}

//! The parts of the API's answers that the commands show. Fields that are not listed are ignored, so that a newer
//! server can be asked too.

use flotilla_core::item::ItemState;
use flotilla_core::pace::Eta;
use flotilla_core::result::ResultSummary;
use flotilla_core::{BatchState, Counts};
use serde::Deserialize;
use serde_json::value::RawValue;

/// A batch.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct BatchView {
    pub(crate) id: String,
    #[serde(default)]
    pub(crate) space: String,
    pub(crate) name: Option<String>,
    pub(crate) job_type: String,
    pub(crate) state: BatchState,
    pub(crate) counts: Counts,
    pub(crate) percent: f64,
    pub(crate) rate_per_s: f64,
    pub(crate) eta: Option<Eta>,
    pub(crate) created_at: String,
    #[serde(default)]
    pub(crate) started_at: Option<String>,
    #[serde(default)]
    pub(crate) completed_at: Option<String>,
    #[serde(default)]
    pub(crate) error: Option<String>,
}

/// An item.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct ItemView {
    pub(crate) index: u32,
    pub(crate) custom_id: Option<String>,
    pub(crate) state: ItemState,
    pub(crate) attempts: u16,
    /// As the handler wrote it.
    pub(crate) output: Option<Box<RawValue>>,
    pub(crate) error: Option<Box<RawValue>>,
    pub(crate) duration_ms: Option<f64>,
}

/// A page of batches.
#[derive(Debug, Deserialize)]
pub(crate) struct BatchPage {
    pub(crate) batches: Vec<BatchView>,
    pub(crate) next_cursor: Option<String>,
}

/// A page of items, each as the API wrote it.
#[derive(Debug, Deserialize)]
pub(crate) struct ItemPage {
    pub(crate) items: Vec<Box<RawValue>>,
    pub(crate) next_cursor: Option<String>,
}

/// What a finished batch amounts to.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct ResultView {
    pub(crate) total_time_ms: u64,
    pub(crate) avg_item_time_ms: f64,
    pub(crate) success_rate: f64,
    pub(crate) result_summary: ResultSummary,
}

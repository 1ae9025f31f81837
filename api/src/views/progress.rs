//! Where a batch stands, without what it was asked to do: what listeners are sent.

use flotilla_core::snapshot::Snapshot;
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use super::batch::{CountsView, EtaView};

/// Where a batch stands. The fields mean what they mean in a batch.
#[derive(Serialize, ToSchema)]
#[schema(as = Progress)]
pub(crate) struct ProgressView<'a> {
    #[schema(format = "uuid")]
    id: String,
    space: &'a str,
    name: Option<&'a str>,
    job_type: &'a str,
    state: &'static str,
    counts: CountsView,
    percent: f64,
    rate_per_s: f64,
    eta: Option<EtaView>,
    /// Grows with every change of state or counts.
    version: u64,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    #[schema(value_type = Option<String>, format = DateTime)]
    started_at: Option<Timestamp>,
    #[schema(value_type = Option<String>, format = DateTime)]
    completed_at: Option<Timestamp>,
    /// When this was so.
    #[schema(value_type = String, format = DateTime)]
    updated_at: Timestamp,
}

impl<'a> From<&'a Snapshot> for ProgressView<'a> {
    fn from(snapshot: &'a Snapshot) -> Self {
        Self {
            id: snapshot.batch.to_string(),
            space: snapshot.space.as_str(),
            name: snapshot.name.as_deref(),
            job_type: &snapshot.job_type,
            state: snapshot.state.as_str(),
            counts: snapshot.counts.into(),
            percent: snapshot.percent,
            rate_per_s: snapshot.rate_per_s,
            eta: snapshot.eta.map(EtaView::from),
            version: snapshot.version,
            created_at: snapshot.created_at,
            started_at: snapshot.started_at,
            completed_at: snapshot.completed_at,
            updated_at: snapshot.updated_at,
        }
    }
}

//! `GET /v1/job-types`

use axum::Json;
use axum::extract::State;

use crate::app::App;
use crate::views::{JobTypeList, JobTypeView};

/// What a batch can ask for.
#[utoipa::path(
    get,
    path = "/v1/job-types",
    tag = "operations",
    responses((status = 200, description = "Every job type", body = JobTypeList))
)]
pub(crate) async fn job_types(State(app): State<App>) -> Json<JobTypeList> {
    let all = app.deps.job_types.iter();
    Json(JobTypeList {
        job_types: all
            .map(|(name, job_type)| JobTypeView::new(name, job_type))
            .collect(),
    })
}

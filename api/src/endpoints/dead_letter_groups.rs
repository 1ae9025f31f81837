//! `GET /v1/dead-letters/groups`

use axum::Json;
use axum::extract::State;
use serde::Deserialize;

use crate::app::App;
use crate::dead_letters::Which;
use crate::params::{self, Params};
use crate::problem::{Problem, ProblemDocument};
use crate::space::{Caller, SpaceParam};
use crate::views::DeadGroupList;

const DEFAULT_LIMIT: u32 = 100;

/// Which groups.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Groups {
    /// Only dead letters of this batch.
    batch: Option<String>,
    /// Only those of this job type.
    job_type: Option<String>,
    /// Only those with this error.
    fingerprint: Option<String>,
    /// Groups at most.
    #[param(minimum = 1, maximum = 1000, default = 100)]
    limit: Option<u32>,
}

/// Dead letters by what their errors mean: the largest groups.
#[utoipa::path(
    get,
    path = "/v1/dead-letters/groups",
    tag = "dead letters",
    params(SpaceParam, Groups),
    responses(
        (status = 200, description = "The groups, largest first", body = DeadGroupList),
        (status = "4XX", description = "A bad parameter", body = ProblemDocument, content_type = "application/problem+json"),
        (status = "5XX", description = "An engine is away", body = ProblemDocument, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn dead_letter_groups(
    State(app): State<App>,
    caller: Caller,
    Params(groups): Params<Groups>,
) -> Result<Json<DeadGroupList>, Problem> {
    let limit = params::limit(groups.limit, DEFAULT_LIMIT)?;
    let which = Which {
        batch: groups.batch,
        job_type: groups.job_type,
        fingerprint: groups.fingerprint,
    };
    let filter = which.filter(None)?;
    let groups = app.deps.store.dead_groups(&caller.space, &filter, limit).await?;
    Ok(Json(groups.into()))
}

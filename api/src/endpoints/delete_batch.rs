//! `DELETE /v1/batches/{id}`

use axum::extract::{Path, State};
use axum::http::StatusCode;
use flotilla_core::command::Command;
use serde::Deserialize;

use crate::actor::{ActorHeader, By};
use crate::app::App;
use crate::params::Params;
use crate::problem::{Problem, ProblemDocument};
use crate::space::{Caller, SpaceParam};
use crate::steer;

/// How to delete it.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct How {
    /// Also where it has not ended: it is cancelled first.
    #[serde(default)]
    #[param(required = false, default = false)]
    force: bool,
}

/// Removes a batch with everything that belongs to it. It does not exist from now on; what it takes up is freed soon.
#[utoipa::path(
    delete,
    path = "/v1/batches/{id}",
    tag = "batches",
    params(SpaceParam, ActorHeader, ("id" = String, Path, description = "The batch", format = "uuid"), How),
    responses(
        (status = 204, description = "It does not exist any more"),
        (status = "4XX", description = "No such batch, or it has not ended and `force` is not said", body = ProblemDocument, content_type = "application/problem+json"),
        (status = "5XX", description = "An engine is away: repeat it", body = ProblemDocument, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn delete_batch(
    State(app): State<App>,
    caller: Caller,
    By(by): By,
    Path(id): Path<String>,
    Params(How { force }): Params<How>,
) -> Result<StatusCode, Problem> {
    steer::command(&app, &caller.space, &id, Command::Delete { force }, by).await?;
    Ok(StatusCode::NO_CONTENT)
}

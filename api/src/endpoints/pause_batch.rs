//! `POST /v1/batches/{id}/pause`

use axum::Json;
use axum::extract::{Path, Request, State};
use flotilla_core::command::Command;

use crate::actor::{ActorHeader, By};
use crate::app::App;
use crate::fields::Fields;
use crate::live;
use crate::problem::{Problem, ProblemDocument};
use crate::space::{Caller, SpaceParam};
use crate::steer;
use crate::views::BatchView;

/// Starts no more items, for now. Those that run finish. Idempotent.
#[utoipa::path(
    post,
    path = "/v1/batches/{id}/pause",
    tag = "batches",
    params(SpaceParam, ActorHeader, ("id" = String, Path, description = "The batch", format = "uuid")),
    responses(
        (status = 200, description = "It is paused, or has just ended", body = BatchView),
        (status = "4XX", description = "No such batch, or its state does not allow it", body = ProblemDocument, content_type = "application/problem+json"),
        (status = "5XX", description = "An engine is away: repeat it", body = ProblemDocument, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn pause_batch(
    State(app): State<App>,
    caller: Caller,
    By(by): By,
    Path(id): Path<String>,
    request: Request,
) -> Result<Json<BatchView>, Problem> {
    Fields::of(request, &[]).await?;
    let mut batch = steer::command(&app, &caller.space, &id, Command::Pause, by).await?;
    live::overlay(&app, std::slice::from_mut(&mut batch)).await;
    Ok(Json(batch.into()))
}

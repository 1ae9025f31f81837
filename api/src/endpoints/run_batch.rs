//! `POST /v1/batches/{id}/run`

use axum::Json;
use axum::extract::{Path, Request, State};
use flotilla_core::command::Command;
use utoipa::ToSchema;

use crate::actor::{ActorHeader, By};
use crate::app::App;
use crate::fields::Fields;
use crate::intake::checks;
use crate::live;
use crate::problem::{Problem, ProblemDocument};
use crate::space::{Caller, SpaceParam};
use crate::steer;
use crate::views::BatchView;

/// How to run it.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes the body, which is read field by field")]
pub(crate) struct RunBatch {
    /// A new limit of its items in flight.
    #[schema(minimum = 1)]
    concurrency: Option<u32>,
}

/// Starts a batch that waits for it, or for its time. Idempotent. The body may be left out.
#[utoipa::path(
    post,
    path = "/v1/batches/{id}/run",
    tag = "batches",
    params(SpaceParam, ActorHeader, ("id" = String, Path, description = "The batch", format = "uuid")),
    request_body = Option<RunBatch>,
    responses(
        (status = 200, description = "It runs, or did", body = BatchView),
        (status = "4XX", description = "No such batch, or its state does not allow it", body = ProblemDocument, content_type = "application/problem+json"),
        (status = "5XX", description = "An engine is away: repeat it", body = ProblemDocument, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn run_batch(
    State(app): State<App>,
    caller: Caller,
    By(by): By,
    Path(id): Path<String>,
    request: Request,
) -> Result<Json<BatchView>, Problem> {
    let fields = Fields::of(request, &["concurrency"]).await?;
    let run = Command::Run {
        concurrency: fields.checked("concurrency", checks::concurrency)?,
    };
    let mut batch = steer::command(&app, &caller.space, &id, run, by).await?;
    live::overlay(&app, std::slice::from_mut(&mut batch)).await;
    Ok(Json(batch.into()))
}

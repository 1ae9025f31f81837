//! `POST /v1/workers/{worker}/resume`

use axum::Json;
use axum::extract::{Path, Request, State};

use crate::actor::{ActorHeader, By};
use crate::app::App;
use crate::fields::Fields;
use crate::orders;
use crate::problem::{Problem, ProblemDocument};
use crate::space::{Caller, SpaceParam};
use crate::views::WorkerOrder;

/// Has a worker that was told to drain take items again. One whose process was told to stop stops all the same. Idempotent.
#[utoipa::path(
    post,
    path = "/v1/workers/{worker}/resume",
    tag = "operations",
    params(SpaceParam, ActorHeader, ("worker" = String, Path, description = "The worker, as it is listed")),
    responses(
        (status = 200, description = "It is told, and does so within seconds", body = WorkerOrder),
        (status = "4XX", description = "No such worker", body = ProblemDocument, content_type = "application/problem+json"),
        (status = "5XX", description = "The live view is away: repeat it", body = ProblemDocument, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn resume_worker(
    State(app): State<App>,
    _: Caller,
    By(by): By,
    Path(worker): Path<String>,
    request: Request,
) -> Result<Json<WorkerOrder>, Problem> {
    Fields::of(request, &[]).await?;
    orders::tell(&app, worker, false, &by).await.map(Json)
}

//! `POST /v1/workers/{worker}/drain`

use axum::Json;
use axum::extract::{Path, Request, State};

use crate::actor::{ActorHeader, By};
use crate::app::App;
use crate::fields::Fields;
use crate::orders;
use crate::problem::{Problem, ProblemDocument};
use crate::space::{Caller, SpaceParam};
use crate::views::WorkerOrder;

/// Has a worker finish what it runs and take nothing new, until it is told to work again. It gives back what it has not
/// started, and goes on to be listed. Workers serve every space. Idempotent.
#[utoipa::path(
    post,
    path = "/v1/workers/{worker}/drain",
    tag = "operations",
    params(SpaceParam, ActorHeader, ("worker" = String, Path, description = "The worker, as it is listed")),
    responses(
        (status = 200, description = "It is told, and does so within seconds", body = WorkerOrder),
        (status = "4XX", description = "No such worker", body = ProblemDocument, content_type = "application/problem+json"),
        (status = "5XX", description = "The live view is away: repeat it", body = ProblemDocument, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn drain_worker(
    State(app): State<App>,
    _: Caller,
    By(by): By,
    Path(worker): Path<String>,
    request: Request,
) -> Result<Json<WorkerOrder>, Problem> {
    Fields::of(request, &[]).await?;
    orders::tell(&app, worker, true, &by).await.map(Json)
}

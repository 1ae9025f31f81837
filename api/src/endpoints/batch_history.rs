//! `GET /v1/batches/{id}/history`

use axum::Json;
use axum::extract::{Path, State};

use crate::app::App;
use crate::problem::{Problem, ProblemDocument};
use crate::space::{Caller, SpaceParam};
use crate::views::BatchHistory;

/// What was done to a batch, by whom and when, oldest first.
#[utoipa::path(
    get,
    path = "/v1/batches/{id}/history",
    tag = "batches",
    params(SpaceParam, ("id" = String, Path, description = "The batch", format = "uuid")),
    responses(
        (status = 200, description = "The history", body = BatchHistory),
        (status = "4XX", description = "No such batch", body = ProblemDocument, content_type = "application/problem+json"),
        (status = "5XX", description = "An engine is away", body = ProblemDocument, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn batch_history(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<BatchHistory>, Problem> {
    let batch = app.batch(&caller.space, &id).await?;
    let history = app.deps.store.history(&caller.space, batch.id).await?;
    Ok(Json(history.into()))
}

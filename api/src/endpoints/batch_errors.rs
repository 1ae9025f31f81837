//! `GET /v1/batches/{id}/errors`

use axum::Json;
use axum::extract::{Path, State};

use crate::app::App;
use crate::problem::{Problem, ProblemDocument};
use crate::space::{Caller, SpaceParam};
use crate::views::{ErrorGroupView, ErrorList};

/// How items of a batch failed so far, by what the errors mean. With a fingerprint, `retry` runs one group again.
#[utoipa::path(
    get,
    path = "/v1/batches/{id}/errors",
    tag = "batches",
    params(SpaceParam, ("id" = String, Path, description = "The batch", format = "uuid")),
    responses(
        (status = 200, description = "The groups", body = ErrorList),
        (status = "4XX", description = "No such batch", body = ProblemDocument, content_type = "application/problem+json"),
        (status = "5XX", description = "An engine is away", body = ProblemDocument, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn batch_errors(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<ErrorList>, Problem> {
    let batch = app.batch(&caller.space, &id).await?;
    Ok(Json(ErrorList {
        failed: batch.counts.failed,
        errors: batch.errors.into_iter().map(ErrorGroupView::from).collect(),
    }))
}

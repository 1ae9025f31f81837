//! `GET /v1/batches/{id}`

use axum::Json;
use axum::extract::{Path, State};

use crate::app::App;
use crate::live;
use crate::problem::{Problem, ProblemDocument};
use crate::space::{Caller, SpaceParam};
use crate::views::BatchView;

/// A batch and where it stands.
#[utoipa::path(
    get,
    path = "/v1/batches/{id}",
    tag = "batches",
    params(SpaceParam, ("id" = String, Path, description = "The batch", format = "uuid")),
    responses(
        (status = 200, description = "The batch", body = BatchView),
        (status = "4XX", description = "No such batch", body = ProblemDocument, content_type = "application/problem+json"),
        (status = "5XX", description = "An engine is away", body = ProblemDocument, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn get_batch(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<BatchView>, Problem> {
    let mut batch = app.batch(&caller.space, &id).await?;
    live::overlay(&app, std::slice::from_mut(&mut batch)).await;
    Ok(Json(batch.into()))
}

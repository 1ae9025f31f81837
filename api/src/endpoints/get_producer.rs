//! `GET /v1/batches/{id}/producers/{name}`

use axum::Json;
use axum::extract::{Path, State};

use crate::app::App;
use crate::intake::produce;
use crate::problem::{Problem, ProblemDocument};
use crate::space::{Caller, SpaceParam};
use crate::views::Producer;

/// How far a producer is with a batch: where it goes on after its connection broke. 0 where it has not sent anything yet.
#[utoipa::path(
    get,
    path = "/v1/batches/{id}/producers/{name}",
    tag = "items",
    params(
        SpaceParam,
        ("id" = String, Path, description = "The batch", format = "uuid"),
        ("name" = String, Path, description = "The `producer` of its appends"),
    ),
    responses(
        (status = 200, description = "Where it is", body = Producer),
        (status = "4XX", description = "No such batch, or no name", body = ProblemDocument, content_type = "application/problem+json"),
        (status = "5XX", description = "An engine is away", body = ProblemDocument, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn get_producer(
    State(app): State<App>,
    caller: Caller,
    Path((id, name)): Path<(String, String)>,
) -> Result<Json<Producer>, Problem> {
    produce::name(&name)?;
    let batch = app.batch(&caller.space, &id).await?;
    let position = app
        .deps
        .store
        .producer_position(&caller.space, batch.id, &name)
        .await?;
    Ok(Json(Producer {
        producer: name,
        offset: position.unwrap_or(0),
    }))
}

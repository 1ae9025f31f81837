//! `GET /v1/batches/{id}/result`

use axum::Json;
use axum::extract::{Path, State};

use crate::app::App;
use crate::problem::{Kind, Problem, ProblemDocument};
use crate::space::{Caller, SpaceParam};
use crate::views::ResultView;

/// What a finished batch amounts to.
#[utoipa::path(
    get,
    path = "/v1/batches/{id}/result",
    tag = "batches",
    params(SpaceParam, ("id" = String, Path, description = "The batch", format = "uuid")),
    responses(
        (status = 200, description = "The result", body = ResultView),
        (status = "4XX", description = "No such batch, or it has not ended", body = ProblemDocument, content_type = "application/problem+json"),
        (status = "5XX", description = "An engine is away", body = ProblemDocument, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn batch_result(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<ResultView>, Problem> {
    let batch = app.batch(&caller.space, &id).await?;
    match app.deps.store.result(&caller.space, batch.id).await? {
        Some(result) => Ok(Json(result.into())),
        None => Err(Problem::new(
            Kind::NoResultYet,
            format!(
                "the batch is {}, {} of {} items have ended; the result comes with the last one",
                batch.state,
                batch.counts.settled(),
                batch.counts.total
            ),
        )
        .with("state", batch.state.as_str())),
    }
}

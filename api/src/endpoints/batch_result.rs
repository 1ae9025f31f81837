//! `GET /v1/batches/{id}/result`

use axum::Json;
use axum::extract::{Path, State};
use serde::Deserialize;

use crate::app::App;
use crate::follow_ups;
use crate::params::Params;
use crate::problem::{Kind, Problem, ProblemDocument};
use crate::space::{Caller, SpaceParam};
use crate::views::ResultView;

/// Which result.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Which {
    /// The one of this revision, from 1. Without it, the latest.
    #[param(minimum = 1)]
    revision: Option<u32>,
}

/// What a finished batch amounts to. Where items ran again later, there is one for each time that it ended. It is written
/// once; `on_complete` is read anew each time.
#[utoipa::path(
    get,
    path = "/v1/batches/{id}/result",
    tag = "batches",
    params(SpaceParam, ("id" = String, Path, description = "The batch", format = "uuid"), Which),
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
    Params(Which { revision }): Params<Which>,
) -> Result<Json<ResultView>, Problem> {
    let batch = app.batch(&caller.space, &id).await?;
    match app.deps.store.result(&caller.space, batch.id, revision).await? {
        Some(result) => {
            let follow_up = follow_ups::of(&app, &caller.space, &batch, result.revision).await?;
            Ok(Json(ResultView::new(result, follow_up)))
        }
        None if revision.is_some() && batch.revision > 0 => Err(Problem::new(
            Kind::NoResultYet,
            format!("the batch has {} results, counted from 1", batch.revision),
        )
        .with("state", batch.state.as_str())),
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

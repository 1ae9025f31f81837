//! `POST /v1/batches/{id}/items`

use axum::Json;
use axum::extract::{Path, Request, State};
use axum::http::header::EXPECT;
use axum::http::request::Parts;
use flotilla_core::BatchState;
use serde::Deserialize;
use tokio_util::sync::CancellationToken;
use utoipa::ToSchema;

use crate::app::App;
use crate::intake::append::{Append, append, not_open};
use crate::intake::receive::{receive, turn};
use crate::intake::{Encoding, Format, body, headers};
use crate::params::Params;
use crate::problem::{Problem, ProblemDocument};
use crate::space::{Caller, SpaceParam};
use crate::views::AppendedItems;

/// Where to append.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Where {
    /// The index that the first of these items is to get, which is how many the batch has: makes it safe to repeat a
    /// request that was not answered.
    first: Option<u32>,
}

/// Items to append.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes the body, which is parsed as it streams")]
pub(crate) struct NewItems {
    /// The inputs: any JSON values.
    #[schema(value_type = Vec<Value>)]
    items: (),
}

/// Appends items to a batch that was created with `start` = `open`: all of them, or none.
#[utoipa::path(
    post,
    path = "/v1/batches/{id}/items",
    tag = "items",
    params(SpaceParam, ("id" = String, Path, description = "The batch", format = "uuid"), Where),
    request_body(content(
        (NewItems = "application/json"),
        (String = "application/x-ndjson"),
        (String = "text/csv"),
    )),
    responses(
        (status = 200, description = "Every item is stored", body = AppendedItems),
        (status = "4XX", description = "Nothing was stored; the problem says why, and where in the body", body = ProblemDocument, content_type = "application/problem+json"),
        (status = "5XX", description = "Try again with `first`: whether the items were stored can't be said", body = ProblemDocument, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn append_items(
    State(app): State<App>,
    caller: Result<Caller, Problem>,
    id: Path<String>,
    place: Result<Params<Where>, Problem>,
    request: Request,
) -> Result<Json<AppendedItems>, Problem> {
    let (parts, body) = request.into_parts();
    let (feeder, reader) = body::pipe(body, &app.config);
    let gone = CancellationToken::new();
    match prepare(&app, (caller, &id, place), &parts, gone.clone()).await {
        Ok(prepared) => {
            // Dropped with this future when the client is gone.
            let _present = gone.drop_guard();
            let appended = receive(&app, append(app.clone(), prepared, reader), feeder).await?;
            Ok(Json(AppendedItems {
                appended: appended.items,
                total: appended.batch.counts.total,
            }))
        }
        Err(problem) => {
            // A client that waits to be told to continue sends nothing.
            if !parts.headers.contains_key(EXPECT) {
                feeder.linger(app.config.linger).await;
            }
            Err(problem)
        }
    }
}

/// Checks what can be checked without the body.
async fn prepare(
    app: &App,
    (caller, id, place): (Result<Caller, Problem>, &str, Result<Params<Where>, Problem>),
    parts: &Parts,
    gone: CancellationToken,
) -> Result<Append, Problem> {
    let space = caller?.space;
    let Params(Where { first }) = place?;
    let batch = app.batch(&space, id).await?;
    let format = Format::of(&parts.headers)?;
    let encoding = Encoding::of(&parts.headers)?;
    headers::check_length(&parts.headers, app.config.max_upload_bytes)?;
    if batch.state != BatchState::Open {
        return Err(not_open(&batch));
    }
    Ok(Append {
        space,
        batch: batch.id,
        format,
        encoding,
        first,
        permit: turn(app).await?,
        gone,
    })
}

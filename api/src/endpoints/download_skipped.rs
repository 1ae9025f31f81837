//! `GET /v1/batches/{id}/skipped`

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

use crate::app::App;
use crate::download::{Format, Skipped};
use crate::params::{self, Params};
use crate::problem::{Kind, Problem, ProblemDocument};
use crate::space::{Caller, SpaceParam};

/// What to download.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct What {
    /// `ndjson` or `csv`.
    #[param(default = "ndjson")]
    format: Option<String>,
    /// Where a download that broke goes on: behind the row with this number, counted from 0.
    cursor: Option<String>,
}

/// What was sent with a batch and left out, because its producer said `on_invalid=skip` or `deduplicate`: in the order in
/// which it came, each with the reason.
#[utoipa::path(
    get,
    path = "/v1/batches/{id}/skipped",
    tag = "items",
    params(SpaceParam, ("id" = String, Path, description = "The batch", format = "uuid"), What),
    responses(
        (status = 200, description = "The rows. Where they can't all be sent, the connection is cut", content(
            (String = "application/x-ndjson"),
            (String = "text/csv"),
        )),
        (status = "4XX", description = "No such batch, or a bad parameter", body = ProblemDocument, content_type = "application/problem+json"),
        (status = "5XX", description = "An engine is away", body = ProblemDocument, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn download_skipped(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
    Params(what): Params<What>,
) -> Result<Response, Problem> {
    let format = match what.format.as_deref() {
        None | Some("ndjson") => Format::Ndjson,
        Some("csv") => Format::Csv,
        Some(_) => {
            return Err(
                Problem::new(Kind::InvalidParameter, "`format` must be ndjson or csv")
                    .with("parameter", "format"),
            );
        }
    };
    let after = params::text("cursor", what.cursor.as_deref(), "expected the number of a row")?;
    let batch = app.batch(&caller.space, &id).await?;
    let headers = [
        (CONTENT_TYPE, format.media_type().to_owned()),
        (
            CONTENT_DISPOSITION,
            format!(
                "attachment; filename=\"{}-skipped.{}\"",
                batch.id,
                format.extension()
            ),
        ),
    ];
    let skipped = Skipped::new(app, caller.space, batch.id, after, format);
    Ok((headers, Body::from_stream(skipped.pieces())).into_response())
}

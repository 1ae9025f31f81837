//! `GET /v1/batches/{id}/download`

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use flotilla_core::item::ItemFilter;
use serde::Deserialize;

use crate::app::App;
use crate::download::{Download, Format};
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
    /// Only items in this state.
    #[param(example = "failed")]
    state: Option<String>,
    /// Where a download that broke goes on: behind the item with this index.
    cursor: Option<String>,
}

/// All items of a batch as a file, in input order, with what became of them so far.
#[utoipa::path(
    get,
    path = "/v1/batches/{id}/download",
    tag = "items",
    params(SpaceParam, ("id" = String, Path, description = "The batch", format = "uuid"), What),
    responses(
        (status = 200, description = "The items. Where they can't all be sent, the connection is cut", content(
            (String = "application/x-ndjson"),
            (String = "text/csv"),
        )),
        (status = "4XX", description = "No such batch, or a bad parameter", body = ProblemDocument, content_type = "application/problem+json"),
        (status = "5XX", description = "An engine is away", body = ProblemDocument, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn download_batch(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
    Params(what): Params<What>,
) -> Result<Response, Problem> {
    let name = what.format.as_deref().unwrap_or("ndjson");
    let format = Format::of(name).ok_or_else(|| {
        let name: String = name.chars().take(80).collect();
        Problem::new(
            Kind::InvalidParameter,
            format!("`format` can't be {name:?}: expected ndjson or csv"),
        )
        .with("parameter", "format")
    })?;
    let filter = ItemFilter {
        state: params::text("state", what.state.as_deref(), "expected the name of a state")?,
        after: params::text("cursor", what.cursor.as_deref(), "expected the index of an item")?,
    };
    let batch = app.batch(&caller.space, &id).await?;
    let headers = [
        (CONTENT_TYPE, format.media_type().to_owned()),
        (
            CONTENT_DISPOSITION,
            format!("attachment; filename=\"{}.{}\"", batch.id, format.extension()),
        ),
    ];
    let download = Download::begin(app, caller.space, &batch, filter, format).await?;
    Ok((headers, Body::from_stream(download.pieces())).into_response())
}

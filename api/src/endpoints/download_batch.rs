//! `GET /v1/batches/{id}/download`

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE, HeaderName};
use axum::response::{IntoResponse, Response};
use flotilla_core::item::ItemFilter;
use flotilla_core::{Batch, Space};
use serde::Deserialize;

use crate::app::App;
use crate::download::{Download, Format, zip};
use crate::params::{self, Params};
use crate::problem::{Kind, Problem, ProblemDocument};
use crate::space::{Caller, SpaceParam};

/// What to download.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct What {
    /// `ndjson`, `csv` or `zip`: both of them, and all files.
    #[param(default = "ndjson")]
    format: Option<String>,
    /// Only items in this state.
    #[param(example = "failed")]
    state: Option<String>,
    /// Where a download that broke goes on: behind the item with this index. Not for `zip`.
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
            (String = "application/zip"),
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
    let filter = ItemFilter {
        state: params::text("state", what.state.as_deref(), "expected the name of a state")?,
        after: params::text("cursor", what.cursor.as_deref(), "expected the index of an item")?,
        before: None,
    };
    let format = match name {
        "zip" => return archive(&app, caller.space, &id, filter).await,
        name => Format::of(name).ok_or_else(|| unknown_format(name))?,
    };
    let batch = app.batch(&caller.space, &id).await?;
    let headers = headers(&batch, format.media_type(), format.extension());
    let download = Download::begin(app, caller.space, &batch, filter, format).await?;
    Ok((headers, Body::from_stream(download.pieces())).into_response())
}

async fn archive(app: &App, space: Space, id: &str, filter: ItemFilter) -> Result<Response, Problem> {
    if filter.after.is_some() {
        let detail = "`cursor` does not go with `zip`: an archive can't be made from its middle on";
        return Err(Problem::new(Kind::InvalidParameter, detail).with("parameter", "cursor"));
    }
    let batch = app.batch(&space, id).await?;
    // Waits for its turn, for as long as a request may take.
    let turn = Arc::clone(&app.archives).acquire_owned().await;
    let turn = turn.map_err(|_| Problem::internal("the turns of archives are closed"))?;
    let headers = headers(&batch, "application/zip", "zip");
    let pieces = zip(app, space, batch, filter.state, turn);
    Ok((headers, Body::from_stream(pieces)).into_response())
}

fn headers(batch: &Batch, media_type: &str, extension: &str) -> [(HeaderName, String); 2] {
    [
        (CONTENT_TYPE, media_type.to_owned()),
        (
            CONTENT_DISPOSITION,
            format!("attachment; filename=\"{}.{extension}\"", batch.id),
        ),
    ]
}

fn unknown_format(name: &str) -> Problem {
    let name: String = name.chars().take(80).collect();
    Problem::new(
        Kind::InvalidParameter,
        format!("`format` can't be {name:?}: expected ndjson, csv or zip"),
    )
    .with("parameter", "format")
}

//! `GET /v1/batches/{id}/archive`

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use flotilla_core::BatchId;
use flotilla_core::ports::Objects;
use serde::Deserialize;

use crate::app::{App, unknown_batch};
use crate::params::Params;
use crate::problem::{Kind, Problem, ProblemDocument};
use crate::space::{Caller, SpaceParam};

/// Which archive.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Which {
    /// The one of the batch as it was at the end of this revision, from 1. Without it, the latest.
    #[param(minimum = 1)]
    revision: Option<u32>,
}

/// The items of a batch as they were before its retention removed them: NDJSON, packed with gzip, in the form of the
/// download. It is there where `retention.archive` is set, from the first removal on, and stays when the batch is gone.
#[utoipa::path(
    get,
    path = "/v1/batches/{id}/archive",
    tag = "items",
    params(SpaceParam, ("id" = String, Path, description = "The batch, also one that is gone", format = "uuid"), Which),
    responses(
        (status = 200, description = "The items", body = String, content_type = "application/gzip"),
        (status = "4XX", description = "No such archive", body = ProblemDocument, content_type = "application/problem+json"),
        (status = "5XX", description = "Object storage is away", body = ProblemDocument, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn batch_archive(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
    Params(Which { revision }): Params<Which>,
) -> Result<Response, Problem> {
    let batch: BatchId = id.parse().map_err(|_| unknown_batch(&caller.space, &id))?;
    let objects = &app.deps.objects;
    let revision = match revision {
        Some(revision) => Some(revision),
        None => objects.archives(&caller.space, batch).await?.pop(),
    };
    let Some(revision) = revision else {
        return Err(none(&app, &caller, batch).await?);
    };
    // The key is of the caller's own space.
    let key = Objects::archive_key(&caller.space, batch, revision);
    let Some((bytes, pieces)) = objects.read(&key).await? else {
        return Err(none(&app, &caller, batch).await?);
    };
    let headers = [
        (CONTENT_TYPE, "application/gzip".to_owned()),
        (CONTENT_LENGTH, bytes.to_string()),
        (
            CONTENT_DISPOSITION,
            format!("attachment; filename=\"{batch}.ndjson.gz\""),
        ),
    ];
    Ok((headers, Body::from_stream(pieces)).into_response())
}

/// Why there is none.
async fn none(app: &App, caller: &Caller, batch: BatchId) -> Result<Problem, Problem> {
    let found = app.deps.store.batch(&caller.space, batch).await?;
    let Some(found) = found else {
        return Ok(unknown_batch(&caller.space, &batch.to_string()));
    };
    let detail = if found.spec.retention.archive == Some(true) {
        "the batch has no such archive (yet): it is written before the first of its items are removed"
    } else {
        "the batch has no archive: its retention does not ask for one"
    };
    Ok(Problem::new(Kind::NoArchive, detail))
}

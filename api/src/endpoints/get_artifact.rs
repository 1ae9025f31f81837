//! `GET /v1/batches/{id}/items/{index}/artifacts/{name}`

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::header::{
    ACCEPT_RANGES, CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG,
    X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use flotilla_core::artifact::{self, Artifact, Owner};
use flotilla_core::{BatchId, ItemIndex};

use crate::app::App;
use crate::artifacts::{Asked, asked, attachment, is_fresh, is_same, open};
use crate::problem::{Kind, Problem, ProblemDocument};
use crate::space::{Caller, SpaceParam};

/// A file that came of an item, or a part of it. `HEAD` answers the same without it.
#[utoipa::path(
    get,
    path = "/v1/batches/{id}/items/{index}/artifacts/{*name}",
    tag = "items",
    params(
        SpaceParam,
        ("id" = String, Path, description = "The batch", format = "uuid"),
        ("index" = u32, Path, description = "The item's position in the batch, from 0"),
        ("name" = String, Path, description = "The name of the file, as in the item's `artifacts`; it may contain slashes"),
        ("range" = Option<String>, Header, description = "One range of bytes"),
        ("if-none-match" = Option<String>, Header, description = "ETags of what the client has"),
        ("if-range" = Option<String>, Header, description = "The ETag of what the client has a part of"),
    ),
    responses(
        (status = 200, description = "The file. Where it can't all be sent, the connection is cut", content_type = "application/octet-stream"),
        (status = 206, description = "The range of it", content_type = "application/octet-stream"),
        (status = 304, description = "The client has it"),
        (status = 416, description = "It has no such bytes", body = ProblemDocument, content_type = "application/problem+json"),
        (status = "4XX", description = "No such batch, item or file", body = ProblemDocument, content_type = "application/problem+json"),
        (status = "5XX", description = "An engine is away", body = ProblemDocument, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn get_artifact(
    State(app): State<App>,
    caller: Caller,
    method: Method,
    headers: HeaderMap,
    Path((id, index, name)): Path<(String, String, String)>,
) -> Result<Response, Problem> {
    let batch = app.batch(&caller.space, &id).await?;
    let owner = Owner {
        space: caller.space,
        batch: batch.id,
    };
    let (index, artifact) = find(&app, &owner, batch.id, &index, &name).await?;
    let etag = format!("\"{}\"", artifact.sha256);
    let always = [
        (ETAG, etag.clone()),
        (ACCEPT_RANGES, "bytes".to_owned()),
        (X_CONTENT_TYPE_OPTIONS, "nosniff".to_owned()),
    ];
    if is_fresh(&headers, &etag) {
        return Ok((StatusCode::NOT_MODIFIED, always).into_response());
    }
    // A range is of what GET answers, and of the file that the client has begun with.
    let asked = if method == Method::GET && is_same(&headers, &etag) {
        asked(&headers, artifact.bytes)
    } else {
        Asked::Whole
    };
    let (status, range) = match asked {
        Asked::Whole => (StatusCode::OK, None),
        Asked::Part(range) => (StatusCode::PARTIAL_CONTENT, Some(range)),
        Asked::Nothing => return Ok(not_satisfiable(artifact.bytes)),
    };
    let media_type = artifact::media_type(&artifact.media_type).unwrap_or(artifact::UNKNOWN_TYPE);
    let length = range
        .as_ref()
        .map_or(artifact.bytes, |range| range.end - range.start);
    let about = [
        (CONTENT_TYPE, media_type.to_owned()),
        (CONTENT_DISPOSITION, attachment(&artifact.name)),
        (CONTENT_LENGTH, length.to_string()),
    ];
    let part = range.as_ref().map(|range| {
        let (first, last) = (range.start, range.end - 1);
        [(CONTENT_RANGE, format!("bytes {first}-{last}/{}", artifact.bytes))]
    });
    let body = if method == Method::HEAD {
        Body::empty()
    } else {
        let pieces = open(&owner, &app.deps.objects, index, &artifact, range).await?;
        let pieces = pieces.ok_or_else(|| {
            tracing::error!(key = artifact.key, "an artifact is gone");
            unknown(
                &artifact.name,
                "it was recorded, but is not in object storage any more",
            )
        })?;
        Body::from_stream(pieces)
    };
    let mut response = (status, always, about, body).into_response();
    for (name, value) in part.into_iter().flatten() {
        // Digits, always.
        if let Ok(value) = value.try_into() {
            response.headers_mut().insert(name, value);
        }
    }
    Ok(response)
}

async fn find(
    app: &App,
    owner: &Owner,
    batch: BatchId,
    index: &str,
    name: &str,
) -> Result<(ItemIndex, Artifact), Problem> {
    let found = match index.parse() {
        Ok(index) => app.item(&owner.space, batch, index).await?,
        Err(_) => None,
    };
    let item = found.ok_or_else(|| {
        let index: String = index.chars().take(20).collect();
        Problem::new(Kind::UnknownItem, format!("there is no item {index:?}"))
    })?;
    let index = item.index;
    let mut artifacts = item.artifacts.into_iter();
    let artifact = artifacts.find(|artifact| artifact.name == name);
    let artifact =
        artifact.ok_or_else(|| unknown(name, "the item says under `artifacts` which ones it has"))?;
    Ok((index, artifact))
}

fn unknown(name: &str, why: &str) -> Problem {
    let name: String = name.chars().take(80).collect();
    Problem::new(
        Kind::UnknownArtifact,
        format!("there is no artifact {name:?}: {why}"),
    )
}

fn not_satisfiable(bytes: u64) -> Response {
    let detail = format!("the file has {bytes} bytes");
    let problem = Problem::new(Kind::RangeNotSatisfiable, detail).with("bytes", bytes);
    ([(CONTENT_RANGE, format!("bytes */{bytes}"))], problem).into_response()
}

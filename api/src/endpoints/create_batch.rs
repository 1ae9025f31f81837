//! `POST /v1/batches`

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::{Request, State};
use axum::http::header::{EXPECT, LOCATION};
use axum::http::request::Parts;
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use flotilla_core::Batch;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tracing::{Instrument, Span};
use utoipa::ToSchema;

use crate::app::App;
use crate::intake::body::{BodyReader, Feeder};
use crate::intake::submit::{Accepted, Submission, submit};
use crate::intake::{Format, Options, body, headers};
use crate::live;
use crate::problem::{Kind, Problem, ProblemDocument};
use crate::space::{Caller, SpaceParam};
use crate::views::BatchView;

const IDEMPOTENCY_REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

/// A batch to create. The fields may come in any order; where there are many items, `space` must come before them.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes the body, which is parsed as it streams")]
pub(crate) struct NewBatch {
    /// The space (tenant). Must agree with the query, where both say it.
    #[schema(required = false, default = "default")]
    space: String,
    /// A name for people.
    #[schema(max_length = 200)]
    name: Option<String>,
    /// What handles the items: see `/v1/job-types`.
    #[schema(example = "echo")]
    job_type: String,
    /// Batches of a space with a higher one go first.
    #[schema(required = false, minimum = -100, maximum = 100, default = 0)]
    priority: i16,
    /// The most items in flight at once, over the whole fleet.
    #[schema(minimum = 1)]
    concurrency: Option<u32>,
    /// Anything to find again: kept and shown as submitted.
    #[schema(value_type = Option<Object>)]
    metadata: Option<()>,
    /// The inputs: any JSON values. A text under `custom_id` in an object also names the item.
    #[schema(value_type = Vec<Value>)]
    items: (),
}

/// Creates a batch and starts it.
///
/// The items come as `items` of a JSON object, or alone as NDJSON (one JSON value per line) or CSV (a row of names, then
/// one item per row); then the other fields of `NewBatch` are query parameters, `metadata` as JSON text. The body may
/// be of any length. Either all of it is accepted, or nothing.
#[utoipa::path(
    post,
    path = "/v1/batches",
    tag = "batches",
    params(
        SpaceParam,
        ("Idempotency-Key" = Option<String>, Header, description = "The same key in the same space is the same batch: repeating a request does not create another one", max_length = 255),
    ),
    request_body(content(
        (NewBatch = "application/json"),
        (String = "application/x-ndjson"),
        (String = "text/csv"),
    )),
    responses(
        (status = 202, description = "Accepted: every item will be processed", body = BatchView, headers(
            ("Location" = String, description = "The path of the batch"),
            ("Idempotency-Replayed" = String, description = "`true` where the batch had been created before"),
        )),
        (status = "4XX", description = "Nothing was stored; the problem says why, and where in the body", body = ProblemDocument, content_type = "application/problem+json"),
        (status = "5XX", description = "Try again, with the same Idempotency-Key: whether the batch was stored can't be said", body = ProblemDocument, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn create_batch(
    State(app): State<App>,
    caller: Result<Option<Caller>, Problem>,
    request: Request,
) -> Result<Response, Problem> {
    let (parts, body) = request.into_parts();
    let (feeder, reader) = body::pipe(body, &app.config);
    let gone = CancellationToken::new();
    let accepted = match prepare(&app, caller, &parts, gone.clone()).await {
        Ok(submission) => {
            // Dropped with this future when the client is gone.
            let _present = gone.drop_guard();
            run(&app, submission, feeder, reader).await?
        }
        Err(problem) => {
            // A client that waits to be told to continue sends nothing.
            if !parts.headers.contains_key(EXPECT) {
                feeder.linger(app.config.linger).await;
            }
            return Err(problem);
        }
    };
    Ok(respond(&app, accepted).await)
}

/// Checks what can be checked without the body.
async fn prepare(
    app: &App,
    caller: Result<Option<Caller>, Problem>,
    parts: &Parts,
    gone: CancellationToken,
) -> Result<Submission, Problem> {
    let space = caller?.map(|caller| caller.space);
    let format = Format::of(&parts.headers)?;
    let key = headers::idempotency_key(&parts.headers)?;
    headers::check_length(&parts.headers, app.config.max_upload_bytes)?;
    let mut options = Options::new(Arc::clone(&app.deps.job_types), space);
    let query = parts.uri.query().unwrap_or_default();
    if format == Format::Json {
        Options::refuse_query(query)?;
    } else {
        options.set_query(query)?;
        options.require_job_type()?;
    }
    Ok(Submission {
        format,
        options,
        idempotency_key: key,
        traceparent: headers::traceparent(&*app.deps.trace, &parts.headers),
        permit: turn(app).await?,
        gone,
    })
}

/// Feeds the body to a submission until either ends.
async fn run(
    app: &App,
    submission: Submission,
    mut feeder: Feeder,
    reader: BodyReader,
) -> Result<Accepted, Problem> {
    let submitting = submit(app.clone(), submission, reader).instrument(Span::current());
    let mut submitting = app.deps.tasks.spawn("upload", submitting);
    let ended = tokio::select! {
        ended = &mut submitting => Some(ended),
        () = feeder.feed() => None,
    };
    let ended = match ended {
        Some(ended) => ended,
        None => submitting.await,
    };
    // Not through where the body was refused or not needed.
    feeder.linger(app.config.linger).await;
    match ended {
        Ok(Some(answer)) => answer,
        Ok(None) | Err(_) => Err(Problem::internal("an upload panicked")),
    }
}

async fn respond(app: &App, accepted: Accepted) -> Response {
    let (mut batch, replayed): (Batch, bool) = match accepted {
        Accepted::New(batch) => (batch, false),
        Accepted::Replayed(batch) => (batch, true),
    };
    let location = format!("/v1/batches/{}", batch.id);
    live::overlay(app, std::slice::from_mut(&mut batch)).await;
    let mut response = (
        StatusCode::ACCEPTED,
        [(LOCATION, location)],
        Json(BatchView::from(batch)),
    )
        .into_response();
    if replayed {
        response
            .headers_mut()
            .insert(IDEMPOTENCY_REPLAYED, HeaderValue::from_static("true"));
    }
    response
}

/// Waits until another upload may be read.
async fn turn(app: &App) -> Result<OwnedSemaphorePermit, Problem> {
    let turn = Arc::clone(&app.uploads).acquire_owned();
    match timeout(app.config.upload_wait, turn).await {
        Ok(Ok(permit)) => Ok(permit),
        _ => Err(Problem::new(
            Kind::TooManyUploads,
            format!(
                "{} uploads are being read already; try again",
                app.config.concurrent_uploads
            ),
        )
        .retry_after(Duration::from_secs(5))),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use utoipa::PartialSchema;

    use super::*;

    #[test]
    fn the_schema_has_the_fields_that_are_read() {
        let schema = serde_json::to_value(NewBatch::schema()).unwrap();
        let described: BTreeSet<&str> = schema["properties"]
            .as_object()
            .unwrap()
            .keys()
            .map(String::as_str)
            .collect();
        let read: BTreeSet<&str> = crate::intake::FIELDS.iter().copied().chain(["items"]).collect();
        assert_eq!(described, read);
        assert_eq!(schema["required"], serde_json::json!(["job_type", "items"]));
    }
}

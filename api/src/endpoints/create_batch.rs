//! `POST /v1/batches`

use axum::Json;
use axum::extract::{Request, State};
use axum::http::header::{EXPECT, LOCATION};
use axum::http::request::Parts;
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use flotilla_core::Batch;
use tokio_util::sync::CancellationToken;
use utoipa::ToSchema;

use crate::app::App;
use crate::intake::body::{BodyReader, Feeder};
use crate::intake::dry_run::dry_run;
use crate::intake::receive::{Incoming, receive, turn};
use crate::intake::submit::{Accepted, Submission, submit};
use crate::intake::{Encoding, Format, Options, Terms, body, headers};
use crate::live;
use crate::problem::{Problem, ProblemDocument};
use crate::space::{Caller, SpaceParam};
use crate::views::{BatchView, DryRunView};

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
    /// The most items dispatched per second, over the whole fleet.
    #[schema(exclusive_minimum = 0)]
    rate_per_s: Option<f64>,
    /// When it starts: `auto` (as soon as it is stored), `manual` (with `POST …/run`), a time, or `open`: it takes more
    /// items with `POST …/items` and starts with `POST …/seal`.
    #[schema(required = false, default = "auto", example = "2026-12-31T22:00:00Z")]
    start: String,
    /// How often an item is attempted. Without it, as the job type says.
    #[schema(minimum = 1, maximum = 1000)]
    max_attempts: Option<u16>,
    /// The most time that one attempt may take: a text like `30s`, or seconds. Without it, as the job type says.
    #[schema(example = "30s")]
    timeout: Option<String>,
    /// How long an item rests between two attempts. Without it, as the job type says.
    backoff: Option<NewBackoff>,
    /// How long an item may wait for a callback: a text like `2h`, or seconds. Without it, as the job type says.
    #[schema(example = "2h")]
    callback_timeout: Option<String>,
    /// When it fails, where it has not ended by then.
    #[schema(format = DateTime)]
    deadline: Option<String>,
    /// When so many items failed that something must be wrong.
    failure_threshold: Option<NewThreshold>,
    /// So many items run first; then the batch is paused until somebody resumes it.
    #[schema(minimum = 1)]
    canary: Option<u32>,
    /// Items whose `custom_id` the space accepted less than so long ago are left out: a text like `24h`, or seconds. Must
    /// come before the items, where there are many.
    #[schema(example = "24h")]
    deduplicate: Option<String>,
    /// How long what it leaves stays after its end. Without a part, as its job type, its space or the deployment says.
    retention: Option<NewRetention>,
    /// One more step, once all items have ended.
    on_complete: Option<NewFollowUp>,
    /// Anything to find again: kept and shown as submitted.
    #[schema(value_type = Option<Object>)]
    metadata: Option<()>,
    /// The inputs: any JSON values. A text under `custom_id` in an object also names the item.
    #[schema(value_type = Vec<Value>)]
    items: (),
}

/// How long an item rests between two attempts: at random, up to a bound that doubles with each attempt.
#[derive(ToSchema)]
#[schema(as = Backoff)]
#[expect(dead_code, reason = "describes the body, which is parsed as it streams")]
struct NewBackoff {
    /// The bound after the first attempt: a text like `1s`, or seconds.
    #[schema(example = "1s")]
    initial: Option<String>,
    /// It never grows over this.
    #[schema(example = "5m")]
    max: Option<String>,
}

/// One more step, once all items of a batch have ended: a batch of one item, which gets `batch_id`, `revision`, `name`,
/// `state`, `counts`, `result`, `results` (where all items are, with what became of them) and `input`.
#[derive(ToSchema)]
#[schema(as = NewFollowUp)]
#[expect(dead_code, reason = "describes the body, which is parsed as it streams")]
struct NewFollowUp {
    /// What handles it.
    #[schema(example = "summarize")]
    job_type: String,
    /// When: `success` (no item failed), `complete` (however it ended, but for a cancel), or `failed` (the batch failed, or
    /// some of its items did).
    #[schema(required = false, default = "complete")]
    on: String,
    /// Without it, that of the batch.
    #[schema(minimum = -100, maximum = 100)]
    priority: Option<i16>,
    /// How often it is attempted. Without it, as its job type says.
    #[schema(minimum = 1, maximum = 1000)]
    max_attempts: Option<u16>,
    /// The most time that one attempt may take. Without it, as its job type says.
    #[schema(example = "5m")]
    timeout: Option<String>,
    /// Kept and shown as submitted.
    #[schema(value_type = Option<Object>)]
    metadata: Option<()>,
    /// Passed along: any JSON, up to 32 KiB.
    #[schema(value_type = Value)]
    input: Option<()>,
}

/// How long what a batch leaves stays after its end: texts like `30d`, or seconds. What is not said stays as long as the
/// batch does.
#[derive(ToSchema)]
#[schema(as = NewRetention)]
#[expect(dead_code, reason = "describes the body, which is parsed as it streams")]
struct NewRetention {
    /// What its items were submitted with. Without them nothing of it can run again.
    #[schema(example = "30d")]
    inputs: Option<String>,
    /// What its handlers answered.
    #[schema(example = "7d")]
    outputs: Option<String>,
    /// The objects that were made of it.
    #[schema(example = "7d")]
    artifacts: Option<String>,
    /// Its failed items that nobody has decided about.
    #[schema(example = "30d")]
    dead_letters: Option<String>,
    /// The batch itself, and with it everything that is left.
    #[schema(example = "90d")]
    results: Option<String>,
    /// Its items are archived before inputs, outputs or all of it are removed: see `GET …/archive`.
    #[schema(required = false, default = false)]
    archive: Option<bool>,
}

/// When so many items failed that something must be wrong. Needs `count`, `percent`, or both; either one is enough.
#[derive(ToSchema)]
#[schema(as = NewFailureThreshold)]
#[expect(dead_code, reason = "describes the body, which is parsed as it streams")]
struct NewThreshold {
    /// More failed items than this.
    count: Option<u32>,
    /// More than this share of the items that ended.
    #[schema(minimum = 0, maximum = 100)]
    percent: Option<f64>,
    /// The share says nothing before so many items have ended.
    #[schema(required = false, default = 100)]
    min_sample: u32,
    /// What happens then: `pause` or `fail`.
    #[schema(required = false, default = "pause")]
    action: String,
}

/// Creates a batch and starts it.
///
/// The items come as `items` of a JSON object, or alone as NDJSON (one JSON value per line) or CSV (a row of names, then
/// one item per row); then the other fields of `NewBatch` are query parameters, `metadata`, `backoff`,
/// `failure_threshold`, `retention` and `on_complete` as JSON text. The body may be of any length. Either all of it is accepted, or nothing.
#[utoipa::path(
    post,
    path = "/v1/batches",
    tag = "batches",
    params(
        SpaceParam,
        ("on_invalid" = Option<String>, Query, description = "What becomes of items that can't be taken: `reject` (nothing is accepted; the first hundred are told) or `skip` (they are left out, and listed at `/v1/batches/{id}/skipped`)", example = "reject"),
        ("dry_run" = Option<bool>, Query, description = "Only check and count: nothing is stored, and the answer is a 200"),
        ("delimiter" = Option<String>, Query, description = "Of CSV: what is between fields: `comma`, `semicolon`, `tab`, `pipe`, or the character. Without it, the first record tells"),
        ("map" = Option<String>, Query, description = "Of CSV: a JSON object that says which fields are made of which columns", example = r#"{"url": "Website", "label": "{Name} <{E-Mail}>"}"#),
        ("Idempotency-Key" = Option<String>, Header, description = "The same key in the same space is the same batch: repeating a request does not create another one", max_length = 255),
    ),
    request_body(content(
        (NewBatch = "application/json"),
        (String = "application/x-ndjson"),
        (String = "text/csv"),
        (String = "text/tab-separated-values"),
    )),
    responses(
        (status = 200, description = "With `dry_run`: what would become of it", body = DryRunView),
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
    match prepare(&app, caller, &parts, gone.clone()).await {
        Ok(submission) => {
            // Dropped with this future when the client is gone.
            let _present = gone.drop_guard();
            take(&app, submission, reader, feeder).await
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

/// What makes a request another one, besides its body: not the order of its parameters.
fn about(format: Format, query: &str) -> String {
    let mut parameters: Vec<&str> = query.split('&').filter(|one| !one.is_empty()).collect();
    parameters.sort_unstable();
    format!("{format:?} {}", parameters.join("&"))
}

async fn take(
    app: &App,
    submission: Submission,
    reader: BodyReader,
    feeder: Feeder,
) -> Result<Response, Problem> {
    if submission.incoming.terms.dry_run {
        let checking = dry_run(app.clone(), submission.incoming, submission.options, 0, reader);
        let checked = receive(app, checking, feeder).await?;
        return Ok(Json(DryRunView::from(checked)).into_response());
    }
    let submitting = submit(app.clone(), submission, reader);
    Ok(respond(app, receive(app, submitting, feeder).await?).await)
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
    let encoding = Encoding::of(&parts.headers)?;
    let key = headers::idempotency_key(&parts.headers)?;
    headers::check_length(&parts.headers, app.config.max_upload_bytes)?;
    let mut options = Options::new(&app.deps, space, app.deps.clock.now());
    let query = parts.uri.query().unwrap_or_default();
    let terms = Terms::of_query(query, format, &parts.headers)?;
    if format == Format::Json {
        Options::refuse_query(query)?;
    } else {
        options.set_query(query)?;
        options.check_complete()?;
    }
    Ok(Submission {
        options,
        idempotency_key: key,
        about: about(format, query),
        traceparent: headers::traceparent(&*app.deps.trace, &parts.headers),
        incoming: Incoming {
            format,
            encoding,
            terms,
            permit: turn(app).await?,
            gone,
        },
    })
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

//! `POST /v1/batches/{id}/items`

use axum::Json;
use axum::extract::{Path, Request, State};
use axum::http::header::EXPECT;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use flotilla_core::{Batch, BatchState};
use serde::Deserialize;
use tokio_util::sync::CancellationToken;
use utoipa::ToSchema;

use crate::app::App;
use crate::intake::append::{Append, append, not_open};
use crate::intake::body::{BodyReader, Feeder};
use crate::intake::dry_run::dry_run;
use crate::intake::produce::{self, Production, produce};
use crate::intake::receive::{Incoming, receive, turn};
use crate::intake::{Encoding, Format, Options, Said, Terms, body, headers};
use crate::params::Params;
use crate::problem::{Kind, Problem, ProblemDocument};
use crate::space::{Caller, SpaceParam};
use crate::views::{AppendedItems, DryRunView};

/// Where to append.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Where {
    /// The index that the first of these items is to get, which is how many the batch has: makes it safe to repeat a
    /// request that was not answered.
    first: Option<u32>,
    /// A name for whoever appends. What is stored of it stays, also where the connection breaks, and any number of producers
    /// append at the same time. A request that is repeated, or goes on, under the same name stores nothing twice.
    producer: Option<String>,
    /// Of a producer: how much of what it sends came before this body. 0, where it begins again from its beginning: what
    /// the server has already is left out.
    offset: Option<u32>,
    /// What becomes of items that can't be taken: `reject` (the request is refused; the first hundred are told) or `skip`
    /// (they are left out, and listed at `/v1/batches/{id}/skipped`).
    #[param(default = "reject")]
    on_invalid: Option<String>,
    /// Only check and count: nothing is stored.
    dry_run: Option<String>,
    /// Of CSV: what is between fields: `comma`, `semicolon`, `tab`, `pipe`, or the character.
    delimiter: Option<String>,
    /// Of CSV: a JSON object that says which fields are made of which columns.
    map: Option<String>,
}

/// What is to become of a body.
enum Taking {
    /// It is appended as a whole, or not at all.
    Whole(Append),
    /// It is one part of what a producer sends.
    Part(Production),
    /// It is only checked.
    Check(Incoming, Batch),
}

/// Items to append.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes the body, which is parsed as it streams")]
pub(crate) struct NewItems {
    /// The inputs: any JSON values.
    #[schema(value_type = Vec<Value>)]
    items: (),
}

/// Appends items to a batch that was created with `start` = `open`: all of them, or none; with `producer`, what is stored
/// stays.
#[utoipa::path(
    post,
    path = "/v1/batches/{id}/items",
    tag = "items",
    params(SpaceParam, ("id" = String, Path, description = "The batch", format = "uuid"), Where),
    request_body(content(
        (NewItems = "application/json"),
        (String = "application/x-ndjson"),
        (String = "text/csv"),
        (String = "text/tab-separated-values"),
    )),
    responses(
        (status = 200, description = "Every item is stored; with `dry_run`, what would become of them", body = AppendedItems),
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
) -> Result<Response, Problem> {
    let (parts, body) = request.into_parts();
    let (feeder, reader) = body::pipe(body, &app.config);
    let gone = CancellationToken::new();
    match prepare(&app, (caller, &id, place), &parts, gone.clone()).await {
        Ok(taking) => {
            // Dropped with this future when the client is gone.
            let _present = gone.drop_guard();
            take(&app, taking, reader, feeder).await
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

async fn take(app: &App, taking: Taking, reader: BodyReader, feeder: Feeder) -> Result<Response, Problem> {
    let answer = match taking {
        Taking::Whole(whole) => {
            let appended = receive(app, append(app.clone(), whole, reader), feeder).await?;
            AppendedItems {
                appended: appended.items,
                deduplicated: appended.deduplicated,
                skipped: appended.skipped,
                total: appended.batch.counts.total,
                offset: None,
            }
        }
        Taking::Part(production) => {
            let produced = receive(app, produce(app.clone(), production, reader), feeder).await?;
            app.deps.wake.notify_one();
            AppendedItems {
                appended: produced.items,
                deduplicated: produced.deduplicated,
                skipped: produced.skipped,
                total: produced.total,
                offset: Some(produced.offset),
            }
        }
        Taking::Check(incoming, batch) => {
            let options = Options::of_items(&app.deps, &batch.spec, app.deps.clock.now());
            let checking = dry_run(app.clone(), incoming, options, batch.counts.total, reader);
            let checked = receive(app, checking, feeder).await?;
            return Ok(Json(DryRunView::from(checked)).into_response());
        }
    };
    Ok(Json(answer).into_response())
}

/// Checks what can be checked without the body.
async fn prepare(
    app: &App,
    (caller, id, place): (Result<Caller, Problem>, &str, Result<Params<Where>, Problem>),
    parts: &Parts,
    gone: CancellationToken,
) -> Result<Taking, Problem> {
    let space = caller?.space;
    let Params(place) = place?;
    let batch = app.batch(&space, id).await?;
    let format = Format::of(&parts.headers)?;
    let said = Said {
        on_invalid: place.on_invalid.as_deref(),
        dry_run: place.dry_run.as_deref(),
        delimiter: place.delimiter.as_deref(),
        map: place.map.as_deref(),
    };
    let terms = Terms::new(&said, format, &parts.headers)?;
    let encoding = Encoding::of(&parts.headers)?;
    headers::check_length(&parts.headers, app.config.max_upload_bytes)?;
    if batch.state != BatchState::Open {
        return Err(not_open(&batch));
    }
    if let Some(producer) = &place.producer {
        produce::name(producer)?;
    }
    refuse_mixture(&place)?;
    let incoming = Incoming {
        format,
        encoding,
        terms,
        permit: turn(app).await?,
        gone,
    };
    Ok(match place.producer {
        _ if incoming.terms.dry_run => Taking::Check(incoming, batch),
        Some(producer) => Taking::Part(Production {
            space,
            batch,
            incoming,
            producer,
            offset: place.offset.unwrap_or(0),
        }),
        None => Taking::Whole(Append {
            space,
            batch,
            incoming,
            first: place.first,
        }),
    })
}

/// `first` is for appends that are all or nothing, `offset` for producers.
fn refuse_mixture(place: &Where) -> Result<(), Problem> {
    let (parameter, detail) = match (&place.producer, place.first, place.offset) {
        (Some(_), Some(_), _) => (
            "first",
            "a `producer` says where it goes on in `offset`, not in `first`",
        ),
        (None, _, Some(_)) => ("offset", "`offset` needs a `producer`"),
        _ => return Ok(()),
    };
    Err(Problem::new(Kind::InvalidParameter, detail).with("parameter", parameter))
}

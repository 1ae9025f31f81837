//! `GET /v1/batches/{id}/events`

use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

use crate::app::App;
use crate::events::{Events, LastEvent, Until, server_sent};
use crate::params::{self, Params};
use crate::problem::{Problem, ProblemDocument};
use crate::space::{Caller, SpaceParam};

/// How long to listen.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Which {
    /// `final`: the stream ends once the batch has ended. Without it, it goes on: an ended batch may run again.
    #[param(example = "final")]
    until: Option<String>,
}

/// Where a batch stands, whenever that changes, as server-sent events.
#[utoipa::path(
    get,
    path = "/v1/batches/{id}/events",
    tag = "events",
    params(
        SpaceParam,
        ("id" = String, Path, description = "The batch", format = "uuid"),
        Which,
        ("last-event-id" = Option<String>, Header, description = "The `id` of the last event that arrived"),
    ),
    responses(
        (status = 200, description = "Events, without end", body = String, content_type = "text/event-stream"),
        (status = 204, description = "The batch has ended, and the client was told so: with `until=final` alone"),
        (status = "4XX", description = "No such batch", body = ProblemDocument, content_type = "application/problem+json"),
        (status = "5XX", description = "An engine is away, or too many listen", body = ProblemDocument, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn batch_events(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
    Params(which): Params<Which>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let until: Option<Until> = params::text("until", which.until.as_deref(), "expected `final`")?;
    let seat = app.seat()?;
    let batch = app.batch(&caller.space, &id).await?;
    let (until, last) = (until.unwrap_or_default(), LastEvent::of(&headers));
    if until == Until::Final && batch.state.is_final() && last.is_some_and(|last| last.is_last) {
        // `EventSource` comes back whenever a stream ends, unless there is nothing.
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    let listener = Events::batch(&app, &batch, last).await;
    let shutdown = app.deps.tasks.shutdown().clone();
    Ok(server_sent(listener, until, shutdown, seat))
}

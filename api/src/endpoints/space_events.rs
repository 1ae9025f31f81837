//! `GET /v1/events`

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;

use crate::app::App;
use crate::events::{Events, LastEvent, Until, server_sent};
use crate::problem::{Problem, ProblemDocument};
use crate::space::{Caller, SpaceParam};

/// Where the batches of a space stand, whenever that changes, as server-sent events. First, where those stand that have not
/// ended (the newest thousand).
#[utoipa::path(
    get,
    path = "/v1/events",
    tag = "events",
    params(
        SpaceParam,
        ("last-event-id" = Option<String>, Header, description = "The `id` of the last event that arrived"),
    ),
    responses(
        (status = 200, description = "Events, without end", body = String, content_type = "text/event-stream"),
        (status = "4XX", description = "A bad parameter", body = ProblemDocument, content_type = "application/problem+json"),
        (status = "5XX", description = "An engine is away, or too many listen", body = ProblemDocument, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn space_events(
    State(app): State<App>,
    caller: Caller,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let seat = app.seat()?;
    let listener = Events::space(&app, &caller.space, LastEvent::of(&headers)).await?;
    let shutdown = app.deps.tasks.shutdown().clone();
    Ok(server_sent(listener, Until::Forever, shutdown, seat))
}

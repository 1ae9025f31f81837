//! `GET /v1/ws`

use axum::extract::State;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::http::HeaderMap;
use axum::http::header::{HOST, ORIGIN};
use axum::response::Response;
use flotilla_core::Shutdown;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::timeout;

use crate::app::App;
use crate::events::{Events, HEARTBEAT, Listener};
use crate::problem::{Kind, Problem, ProblemDocument};
use crate::space::{Caller, SpaceParam};

/// A client has nothing to say: pings, and the end.
const MAX_MESSAGE: usize = 4 << 10;

/// The same as `/v1/events`, by WebSocket: each message is the JSON of one event. What the client sends is ignored.
#[utoipa::path(
    get,
    path = "/v1/ws",
    tag = "events",
    params(SpaceParam),
    responses(
        (status = 101, description = "Messages, without end"),
        (status = "4XX", description = "Not a WebSocket, or from a page of another site", body = ProblemDocument, content_type = "application/problem+json"),
        (status = "5XX", description = "An engine is away, or too many listen", body = ProblemDocument, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn space_socket(
    State(app): State<App>,
    caller: Caller,
    headers: HeaderMap,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, Problem> {
    let upgrade = upgrade.map_err(|rejection| Problem::new(Kind::BadRequest, rejection.body_text()))?;
    same_site(&headers)?;
    let seat = app.seat()?;
    let listener = Events::space(&app, &caller.space, None).await?;
    let shutdown = app.deps.tasks.shutdown().clone();
    let upgrade = upgrade.max_message_size(MAX_MESSAGE).max_frame_size(MAX_MESSAGE);
    Ok(upgrade.on_upgrade(move |socket| talk(socket, listener, shutdown, seat)))
}

/// Browsers let every page open a WebSocket to every server, so what is allowed is up to the server: its own pages, and
/// programs, which send no origin.
fn same_site(headers: &HeaderMap) -> Result<(), Problem> {
    let text = |name| headers.get(name).map(|value| value.to_str().unwrap_or_default());
    let Some(origin) = text(ORIGIN) else {
        return Ok(());
    };
    let site = origin.split_once("://").map_or("", |(_, site)| site);
    if Some(site) == text(HOST) {
        return Ok(());
    }
    let detail = "a page of another site can't listen here; a server of yours can, and can pass it on";
    Err(Problem::new(Kind::OtherSite, detail))
}

async fn talk(
    mut socket: WebSocket,
    mut listener: Listener,
    shutdown: Shutdown,
    _seat: OwnedSemaphorePermit,
) {
    loop {
        tokio::select! {
            () = shutdown.draining() => break,
            said = socket.recv() => match said {
                Some(Ok(Message::Close(_)) | Err(_)) | None => return,
                Some(Ok(_)) => {}
            },
            heard = timeout(HEARTBEAT, listener.next()) => {
                let messages = match heard {
                    Ok(updates) => updates.iter().map(|update| Message::Text(update.json())).collect(),
                    Err(_) => vec![Message::Ping(bytes::Bytes::new())],
                };
                for message in messages {
                    if socket.send(message).await.is_err() {
                        return;
                    }
                }
            }
        }
    }
    let _ = socket.send(Message::Close(None)).await;
}

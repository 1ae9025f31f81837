//! Accepts connections and ends them in order.

use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use flotilla_core::{Shutdown, Tasks};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::sleep;
use tokio_util::task::TaskTracker;

use crate::config::Config;
use crate::deps::Deps;
use crate::router::router;

/// How long to wait when the system has no file descriptor left for a connection.
const EXHAUSTED: Duration = Duration::from_secs(1);

/// Serves the API on `listener` until `tasks` are asked to stop. Then it accepts no more connections, lets requests that
/// run go on for up to [`Config::drain`], and returns when all of them have ended.
///
/// # Errors
/// Where the listener is of no use.
pub async fn serve(listener: TcpListener, deps: Deps, config: Config, tasks: &Tasks) -> io::Result<()> {
    tracing::info!(address = %listener.local_addr()?, "serving the HTTP API");
    let slots = Arc::new(Semaphore::new(config.max_connections));
    let connections = TaskTracker::new();
    let connection = Connection {
        header_timeout: config.header_timeout,
        drain: config.drain,
        shutdown: tasks.shutdown().clone(),
        router: router(deps, config),
    };
    while let Some((stream, slot)) = tasks.shutdown().until_draining(accept(&listener, &slots)).await {
        let serving = connection.clone().serve(stream, slot);
        tasks.spawn("connection", connections.track_future(serving));
    }
    drop(listener);
    connections.close();
    connections.wait().await;
    Ok(())
}

/// The next connection, once there is a slot for it.
async fn accept(listener: &TcpListener, slots: &Arc<Semaphore>) -> (TcpStream, Option<OwnedSemaphorePermit>) {
    // Never closed.
    let slot = Arc::clone(slots).acquire_owned().await.ok();
    loop {
        match listener.accept().await {
            Ok((stream, _)) => return (stream, slot),
            Err(error) if is_of_the_connection(&error) => {}
            Err(error) => {
                tracing::error!(%error, "can't accept connections at the moment");
                sleep(EXHAUSTED).await;
            }
        }
    }
}

/// True where the client went away before it was accepted.
fn is_of_the_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(
        error.kind(),
        ConnectionRefused | ConnectionAborted | ConnectionReset
    )
}

#[derive(Clone)]
struct Connection {
    router: Router,
    header_timeout: Duration,
    drain: Duration,
    shutdown: Shutdown,
}

impl Connection {
    async fn serve(self, stream: TcpStream, _slot: Option<OwnedSemaphorePermit>) {
        // Answers are written at once: waiting for more to send would only delay them.
        let _ = stream.set_nodelay(true);
        let http = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(self.header_timeout)
            .serve_connection(TokioIo::new(stream), TowerToHyperService::new(self.router))
            // WebSockets.
            .with_upgrades();
        let mut http = pin!(http);
        let ended = tokio::select! {
            ended = http.as_mut() => ended,
            () = self.shutdown.draining() => {
                http.as_mut().graceful_shutdown();
                tokio::select! {
                    ended = http => ended,
                    () = sleep(self.drain) => return tracing::warn!("cut a connection that did not end in time"),
                    () = self.shutdown.aborting() => return,
                }
            }
        };
        if let Err(error) = ended {
            tracing::debug!(%error, "a connection broke");
        }
    }
}

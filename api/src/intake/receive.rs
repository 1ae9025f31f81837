//! What every upload has in common: it waits for its turn, is parsed on a thread of its own, and is read to the end.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tracing::{Instrument, Span};

use super::body::{BodyReader, Feeder};
use super::digest::Digesting;
use super::{Chunk, Encoding, Format, Limits, Options, Parsed, Terms, parse, read_failed};
use crate::app::App;
use crate::problem::{Kind, Problem};

/// Chunks between the parser and the store.
const CHUNKS: usize = 2;

/// A body that comes in, and how it is to be taken.
pub(crate) struct Incoming {
    pub(crate) format: Format,
    /// How it is packed.
    pub(crate) encoding: Encoding,
    pub(crate) terms: Terms,
    /// Held while it is parsed.
    pub(crate) permit: OwnedSemaphorePermit,
    /// Cancelled when the client is gone.
    pub(crate) gone: CancellationToken,
}

/// Waits until another upload may be read.
pub(crate) async fn turn(app: &App) -> Result<OwnedSemaphorePermit, Problem> {
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

/// Runs `storing` as a task of its own, so that it is there to clean up when the request is not, and feeds it the body
/// until either ends.
pub(crate) async fn receive<T: Send + 'static>(
    app: &App,
    storing: impl Future<Output = Result<T, Problem>> + Send + 'static,
    mut feeder: Feeder,
) -> Result<T, Problem> {
    let mut storing = app
        .deps
        .tasks
        .spawn("upload", storing.instrument(Span::current()));
    let ended = tokio::select! {
        ended = &mut storing => Some(ended),
        () = feeder.feed() => None,
    };
    let ended = match ended {
        Some(ended) => ended,
        None => storing.await,
    };
    // Not through where the body was refused or not needed.
    feeder.linger(app.config.linger).await;
    match ended {
        Ok(Some(answer)) => answer,
        Ok(None) | Err(_) => Err(Problem::internal("an upload panicked")),
    }
}

/// Parses `body` on a blocking thread, which holds the permit. It ends by itself: when the body does, or when nobody takes
/// its chunks any more. With `about`, it makes a hash of that and the body.
pub(super) fn start_parser(
    incoming: Incoming,
    options: Options,
    limits: Limits,
    body: BodyReader,
    about: Option<String>,
) -> (mpsc::Receiver<Chunk>, JoinHandle<Result<Parsed, Problem>>) {
    let Incoming {
        format,
        encoding,
        terms,
        permit,
        ..
    } = incoming;
    let (tx, chunks) = mpsc::channel(CHUNKS);
    let parsing = spawn_blocking(move || {
        let _permit = permit;
        let mut emit = |chunk| tx.blocking_send(chunk).map_err(|_| Problem::disconnected());
        let body = encoding.unpack(body, limits.bytes).map_err(read_failed)?;
        let Some(about) = about else {
            return parse(format, body, options, limits, &terms, &mut emit);
        };
        let mut body = Digesting::new(body, &about);
        let parsed = parse(format, &mut body, options, limits, &terms, &mut emit)?;
        let digest = Some(body.finish().map_err(read_failed)?);
        Ok(Parsed { digest, ..parsed })
    });
    (chunks, parsing)
}

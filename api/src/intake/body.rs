//! A request's body on its way to a parser: pushed by an asynchronous task, read by a blocking thread.

use std::io::{Error, Read, Result};
use std::time::Duration;

use axum::body::Body;
use bytes::{Buf, Bytes};
use http_body_util::BodyExt;
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::config::Config;
use crate::problem::{Kind, Problem};

/// Pieces between the two; hyper makes them up to a few hundred kilobytes long.
const PIECES: usize = 4;

enum Piece {
    Data(Bytes),
    /// The body is complete. A channel that closes without it broke.
    End,
    Broken(Problem),
}

/// A feeder and the reader that it feeds.
pub(crate) fn pipe(body: Body, config: &Config) -> (Feeder, BodyReader) {
    let (tx, rx) = mpsc::channel(PIECES);
    let feeder = Feeder {
        body,
        ended: false,
        idle: config.upload_idle_timeout,
        left: config.max_upload_bytes,
        limit: config.max_upload_bytes,
        tx: Some(tx),
    };
    let reader = BodyReader {
        rx,
        piece: Bytes::new(),
        ended: false,
    };
    (feeder, reader)
}

/// The end that holds the request's body. Dropped before it is through, the reader fails.
pub(crate) struct Feeder {
    body: Body,
    ended: bool,
    idle: Duration,
    left: Option<u64>,
    limit: Option<u64>,
    tx: Option<mpsc::Sender<Piece>>,
}

impl Feeder {
    /// Feeds the body until it ends, breaks, or nobody reads any more.
    pub(crate) async fn feed(&mut self) {
        let Some(tx) = self.tx.clone() else {
            return;
        };
        while !self.ended {
            let piece = match self.next().await {
                Ok(Some(bytes)) => Piece::Data(bytes),
                Ok(None) => Piece::End,
                Err(problem) => Piece::Broken(problem),
            };
            if tx.send(piece).await.is_err() {
                return;
            }
        }
    }

    /// Lets the reader go and reads what is left of the body for a while, so that the client is done sending when it
    /// gets the answer. A server that answers and closes while its client still sends makes the client's kernel throw
    /// the answer away.
    pub(crate) async fn linger(mut self, patience: Duration) {
        self.tx = None;
        self.left = None;
        let rest = async { while !self.ended && self.next().await.is_ok() {} };
        let _ = timeout(patience, rest).await;
    }

    /// The next piece of data; `None` at the end.
    async fn next(&mut self) -> std::result::Result<Option<Bytes>, Problem> {
        loop {
            let frame = timeout(self.idle, self.body.frame()).await;
            self.ended = !matches!(frame, Ok(Some(Ok(_))));
            match frame {
                Err(_) => return Err(stood_still(self.idle)),
                Ok(None) => return Ok(None),
                Ok(Some(Err(error))) => {
                    tracing::debug!(%error, "an upload broke");
                    return Err(Problem::disconnected());
                }
                Ok(Some(Ok(frame))) => match frame.into_data() {
                    Ok(bytes) => return self.count(bytes).map(Some),
                    // Trailers.
                    Err(_) => continue,
                },
            }
        }
    }

    fn count(&mut self, bytes: Bytes) -> std::result::Result<Bytes, Problem> {
        if let (Some(left), Some(limit)) = (&mut self.left, self.limit) {
            *left = left
                .checked_sub(bytes.len() as u64)
                .ok_or_else(|| too_large(limit))?;
        }
        Ok(bytes)
    }
}

/// A body that is longer than it may be.
pub(crate) fn too_large(limit: u64) -> Problem {
    Problem::new(
        Kind::UploadTooLarge,
        format!("an upload may have at most {limit} bytes; split it into several batches"),
    )
    .with("limit", limit)
}

fn stood_still(idle: Duration) -> Problem {
    Problem::new(
        Kind::UploadTimeout,
        format!(
            "nothing arrived for {} s before the body was complete",
            idle.as_secs_f64()
        ),
    )
}

/// The end that a parser reads. Blocks.
#[derive(Debug)]
pub(crate) struct BodyReader {
    rx: mpsc::Receiver<Piece>,
    piece: Bytes,
    ended: bool,
}

impl Read for BodyReader {
    fn read(&mut self, buf: &mut [u8]) -> Result<usize> {
        while self.piece.is_empty() && !self.ended {
            match self.rx.blocking_recv() {
                Some(Piece::Data(bytes)) => self.piece = bytes,
                Some(Piece::End) => self.ended = true,
                Some(Piece::Broken(problem)) => return Err(Error::other(problem)),
                None => return Err(Error::other(Problem::disconnected())),
            }
        }
        let n = buf.len().min(self.piece.len());
        self.piece.copy_to_slice(&mut buf[..n]);
        Ok(n)
    }
}

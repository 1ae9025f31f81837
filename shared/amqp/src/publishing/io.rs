//! Reads and writes the frames of a connection.

use std::sync::Arc;
use std::time::Duration;
use std::{fmt, io};

use amq_protocol::frame::AMQPFrame;
use bytes::{Buf, BytesMut};
use lapin::protocol::{AMQPClass, basic, channel, confirm, connection};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, split};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, Interval, MissedTickBehavior, interval, timeout};

use super::channel::Refusal;
use super::confirms::Fate;
use super::frames::{NotAFrame, encoded, take};
use super::outbox::{Outbox, Piece};

/// Room for what is read at once.
const READ: usize = 16 << 10;
/// How long the last words to a broker that closes the connection may take.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Why a connection ended.
#[derive(Debug)]
pub(super) enum Ended {
    Network(io::Error),
    Closed,
    /// By the broker, which says why.
    Refused(Refusal),
    Silent(Duration),
    NotAmqp(NotAFrame),
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Network(error) => write!(f, "IO error: {error}"),
            Self::Closed => f.write_str("it was closed"),
            Self::Refused(refusal) => write!(f, "the broker says: {} ({})", refusal.text, refusal.code),
            Self::Silent(time) => write!(f, "nothing was heard of it for {time:?}"),
            Self::NotAmqp(error) => error.fmt(f),
        }
    }
}

/// Both ways of a connection. Whoever runs it may stop at any moment, and run it again.
pub(super) struct Io {
    reader: Box<dyn AsyncRead + Send + Unpin>,
    writer: Box<dyn AsyncWrite + Send + Unpin>,
    received: BytesMut,
    /// What is left of the piece that is being written.
    piece: Option<Piece>,
    pieces: mpsc::UnboundedReceiver<Piece>,
    outbox: Arc<Outbox>,
    blocked: watch::Sender<bool>,
    heartbeat: Option<Heartbeat>,
}

/// Sent when nothing else was for half the interval that was agreed on; missed when nothing came for two of them.
struct Heartbeat {
    ticks: Interval,
    patience: Duration,
    heard: Instant,
    written: bool,
}

impl Heartbeat {
    fn every(seconds: u16) -> Option<Self> {
        let agreed = Duration::from_secs(seconds.into());
        if agreed.is_zero() {
            return None;
        }
        let mut ticks = interval(agreed / 2);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Some(Self {
            ticks,
            patience: agreed * 2,
            heard: Instant::now(),
            written: false,
        })
    }

    async fn tick(heartbeat: &mut Option<Self>) {
        match heartbeat {
            Some(heartbeat) => drop(heartbeat.ticks.tick().await),
            None => std::future::pending().await,
        }
    }
}

impl fmt::Debug for Io {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Io").finish_non_exhaustive()
    }
}

impl Io {
    /// Over `stream`, from which `received` was read already.
    pub(super) fn new(
        stream: impl AsyncRead + AsyncWrite + Send + 'static,
        received: BytesMut,
        pieces: mpsc::UnboundedReceiver<Piece>,
        outbox: Arc<Outbox>,
        blocked: watch::Sender<bool>,
        heartbeat: u16,
    ) -> Self {
        let (reader, writer) = split(stream);
        Self {
            reader: Box::new(reader),
            writer: Box::new(writer),
            received,
            piece: None,
            pieces,
            outbox,
            blocked,
            heartbeat: Heartbeat::every(heartbeat),
        }
    }

    /// Reads and writes until the connection ends.
    pub(super) async fn run(&mut self) -> Ended {
        let ended = self.work().await.unwrap_or_else(|ended| ended);
        if matches!(ended, Ended::Refused(_)) && self.piece.is_none() {
            let heard = connection::AMQPMethod::CloseOk(connection::CloseOk {});
            let heard = encoded(&AMQPFrame::Method(0, AMQPClass::Connection(heard)));
            // Politeness: the broker closes the connection anyway.
            let _ = timeout(LAST_WORDS, self.writer.write_all(&heard)).await;
        }
        ended
    }

    async fn work(&mut self) -> Result<Ended, Ended> {
        loop {
            self.received.reserve(READ);
            tokio::select! {
                read = self.reader.read_buf(&mut self.received) => {
                    if read.map_err(Ended::Network)? == 0 {
                        return Ok(Ended::Closed);
                    }
                    self.heard()?;
                }
                written = write_some(&mut self.writer, &mut self.piece), if self.piece.is_some() => {
                    written.map_err(Ended::Network)?;
                    if let Some(heartbeat) = &mut self.heartbeat {
                        heartbeat.written = true;
                    }
                }
                piece = self.pieces.recv(), if self.piece.is_none() => self.piece = piece,
                () = Heartbeat::tick(&mut self.heartbeat) => self.beat()?,
            }
        }
    }

    /// Says goodbye, and waits until the broker does.
    pub(super) async fn say_goodbye(&mut self) -> io::Result<()> {
        while self.piece.is_some() {
            write_some(&mut self.writer, &mut self.piece).await?;
        }
        let close = connection::AMQPMethod::Close(connection::Close {
            reply_code: 200,
            reply_text: "OK".into(),
            class_id: 0,
            method_id: 0,
        });
        let close = encoded(&AMQPFrame::Method(0, AMQPClass::Connection(close)));
        self.writer.write_all(&close).await?;
        self.writer.flush().await?;
        loop {
            while let Ok(Some(frame)) = take(&mut self.received) {
                if let AMQPFrame::Method(0, AMQPClass::Connection(connection::AMQPMethod::CloseOk(_))) = frame
                {
                    return self.writer.shutdown().await;
                }
            }
            self.received.reserve(READ);
            if self.reader.read_buf(&mut self.received).await? == 0 {
                return Ok(());
            }
        }
    }

    fn beat(&mut self) -> Result<(), Ended> {
        let Some(heartbeat) = &mut self.heartbeat else {
            return Ok(());
        };
        if heartbeat.heard.elapsed() > heartbeat.patience {
            return Err(Ended::Silent(heartbeat.patience));
        }
        if !std::mem::take(&mut heartbeat.written) && self.piece.is_none() {
            self.outbox.send(encoded(&AMQPFrame::Heartbeat), None);
        }
        Ok(())
    }

    fn heard(&mut self) -> Result<(), Ended> {
        if let Some(heartbeat) = &mut self.heartbeat {
            heartbeat.heard = Instant::now();
        }
        while let Some(frame) = take(&mut self.received).map_err(Ended::NotAmqp)? {
            if let AMQPFrame::Method(channel, method) = frame {
                self.told(channel, method)?;
            }
            // Heartbeats, and the rest of messages that came back.
        }
        Ok(())
    }

    fn told(&self, number: u16, method: AMQPClass) -> Result<(), Ended> {
        match method {
            AMQPClass::Basic(method) => {
                if let Some(line) = self.outbox.line(number) {
                    match method {
                        basic::AMQPMethod::Ack(ack) => {
                            line.settle(ack.delivery_tag, ack.multiple, Fate::Confirmed);
                        }
                        basic::AMQPMethod::Nack(nack) => {
                            line.settle(nack.delivery_tag, nack.multiple, Fate::Refused);
                        }
                        basic::AMQPMethod::Return(returned) => line.came_back(returned.routing_key.as_str()),
                        _ => {}
                    }
                }
            }
            AMQPClass::Confirm(confirm::AMQPMethod::SelectOk(_)) => {
                if let Some(line) = self.outbox.line(number) {
                    line.opened();
                }
            }
            AMQPClass::Channel(channel::AMQPMethod::Close(close)) => {
                self.outbox.refused(
                    number,
                    Refusal {
                        code: close.reply_code,
                        text: close.reply_text.to_string(),
                    },
                );
            }
            AMQPClass::Channel(channel::AMQPMethod::CloseOk(_)) => self.outbox.closed(number),
            AMQPClass::Connection(connection::AMQPMethod::Close(close)) => {
                return Err(Ended::Refused(Refusal {
                    code: close.reply_code,
                    text: close.reply_text.to_string(),
                }));
            }
            AMQPClass::Connection(connection::AMQPMethod::Blocked(_)) => {
                self.blocked.send_replace(true);
            }
            AMQPClass::Connection(connection::AMQPMethod::Unblocked(_)) => {
                self.blocked.send_replace(false);
            }
            _ => {}
        }
        Ok(())
    }
}

/// Writes as much as the connection takes.
async fn write_some(
    writer: &mut (dyn AsyncWrite + Send + Unpin),
    piece: &mut Option<Piece>,
) -> io::Result<()> {
    let Some(Piece { frames, .. }) = piece else {
        return Ok(());
    };
    let written = writer.write(frames).await?;
    if written == 0 {
        return Err(io::ErrorKind::WriteZero.into());
    }
    frames.advance(written);
    if frames.is_empty() {
        *piece = None;
        // Of a TLS stream, what was written may wait for more.
        writer.flush().await?;
    }
    Ok(())
}

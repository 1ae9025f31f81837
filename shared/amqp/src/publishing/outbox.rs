//! What is to be written to a connection, and the channels that it has.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use amq_protocol::frame::AMQPFrame;
use bytes::Bytes;
use lapin::protocol::{AMQPClass, channel, confirm};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

use super::channel::{End, Line};
use super::frames::encoded;

/// Chunks of messages that wait to be written: with those of 64 KiB each, a megabyte.
const CHUNKS: usize = 16;

/// A piece of the stream of frames: whole frames.
#[derive(Debug)]
pub(super) struct Piece {
    pub(super) frames: Bytes,
    /// Room for another chunk, from the moment at which this one is written.
    _room: Option<OwnedSemaphorePermit>,
}

/// Where channels leave what they send. It is in order, as frames of a channel that was closed would cost the connection.
#[derive(Debug)]
pub(super) struct Outbox {
    /// Chunks need [room](Outbox::room); beside them there are at most a few frames of each channel.
    pieces: mpsc::UnboundedSender<Piece>,
    room: Arc<Semaphore>,
    channels: Mutex<Channels>,
}

#[derive(Debug, Default)]
struct Channels {
    /// None for one whose end the broker has not confirmed.
    lines: HashMap<u16, Option<Arc<Line>>>,
    most: u16,
    ended: bool,
}

impl Outbox {
    /// For at most so many channels. Answers where the pieces come out.
    pub(super) fn new(channels: u16) -> (Self, mpsc::UnboundedReceiver<Piece>) {
        let (pieces, written) = mpsc::unbounded_channel();
        let outbox = Self {
            pieces,
            room: Arc::new(Semaphore::new(CHUNKS)),
            channels: Mutex::new(Channels {
                most: channels,
                ..Channels::default()
            }),
        };
        (outbox, written)
    }

    fn channels(&self) -> MutexGuard<'_, Channels> {
        self.channels.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Room for a chunk, as soon as there is some. None at the end of the connection.
    pub(super) async fn room(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.room).acquire_owned().await.ok()
    }

    pub(super) fn send(&self, frames: Bytes, room: Option<OwnedSemaphorePermit>) {
        // Nobody receives at the end of the connection, which whoever waits for an answer hears of.
        let _ = self.pieces.send(Piece { frames, _room: room });
    }

    /// Asks for a channel that confirms.
    pub(super) fn open(&self, line: &Arc<Line>) -> Result<u16, End> {
        let mut channels = self.channels();
        if channels.ended {
            return Err(End::Lost);
        }
        let free = (1..=channels.most).find(|number| !channels.lines.contains_key(number));
        // As many as there may be, all of which wait for the broker to confirm their end.
        let number = free.ok_or(End::Lost)?;
        channels.lines.insert(number, Some(Arc::clone(line)));
        let open = channel::AMQPMethod::Open(channel::Open {});
        let select = confirm::AMQPMethod::Select(confirm::Select { nowait: false });
        self.method(number, AMQPClass::Channel(open));
        self.method(number, AMQPClass::Confirm(select));
        Ok(number)
    }

    /// Nobody uses the channel any more.
    pub(super) fn close(&self, number: u16, line: &Arc<Line>) {
        let mut channels = self.channels();
        // Where it is not there, the broker has closed it, and the number may be another one's by now.
        let known = channels.lines.get_mut(&number);
        if let Some(known) = known
            && known.take_if(|known| Arc::ptr_eq(known, line)).is_some()
        {
            let close = channel::Close {
                reply_code: 200,
                reply_text: "".into(),
                class_id: 0,
                method_id: 0,
            };
            self.method(number, AMQPClass::Channel(channel::AMQPMethod::Close(close)));
        }
    }

    /// The broker has closed the channel, or confirms that it is closed.
    pub(super) fn closed(&self, number: u16) -> Option<Arc<Line>> {
        self.channels().lines.remove(&number).flatten()
    }

    /// Who uses the channel.
    pub(super) fn line(&self, number: u16) -> Option<Arc<Line>> {
        self.channels().lines.get(&number).cloned().flatten()
    }

    pub(super) fn method(&self, number: u16, method: AMQPClass) {
        self.send(encoded(&AMQPFrame::Method(number, method)), None);
    }

    /// The connection has ended, and with it every channel.
    pub(super) fn end(&self) {
        let mut channels = self.channels();
        channels.ended = true;
        for line in channels.lines.drain().filter_map(|(_, line)| line) {
            line.ended(End::Lost);
        }
        self.room.close();
    }
}

//! What is to be written to a connection, and the channels that it has.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use amq_protocol::frame::AMQPFrame;
use bytes::Bytes;
use lapin::protocol::{AMQPClass, channel, confirm};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

use super::channel::{End, Line, Refusal};
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

    /// The broker has closed the channel. It hears that this is understood after everything that was sent on the channel,
    /// and before the number is used again: a frame of a channel that is not open would cost the connection.
    pub(super) fn refused(&self, number: u16, why: Refusal) {
        let mut channels = self.channels();
        if let Some(line) = channels.lines.remove(&number).flatten() {
            line.ended(End::Refused(why));
        }
        let understood = channel::AMQPMethod::CloseOk(channel::CloseOk {});
        self.method(number, AMQPClass::Channel(understood));
    }

    /// The broker confirms that the channel is closed.
    pub(super) fn closed(&self, number: u16) {
        let mut channels = self.channels();
        // Where both closed it at once, this may come when the number is another one's.
        if matches!(channels.lines.get(&number), Some(None)) {
            channels.lines.remove(&number);
        }
    }

    /// Who uses the channel.
    pub(super) fn line(&self, number: u16) -> Option<Arc<Line>> {
        self.channels().lines.get(&number).cloned().flatten()
    }

    fn method(&self, number: u16, method: AMQPClass) {
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

#[cfg(test)]
mod tests {
    use amq_protocol::frame::parse_frame;

    use super::*;

    fn sent(written: &mut mpsc::UnboundedReceiver<Piece>) -> Vec<String> {
        let mut names = Vec::new();
        while let Ok(piece) = written.try_recv() {
            let (_, frame) = parse_frame(&piece.frames[..]).unwrap();
            let AMQPFrame::Method(number, method) = frame else {
                panic!("{frame:?}");
            };
            let name = match method {
                AMQPClass::Channel(channel::AMQPMethod::Open(_)) => "open",
                AMQPClass::Channel(channel::AMQPMethod::Close(_)) => "close",
                AMQPClass::Channel(channel::AMQPMethod::CloseOk(_)) => "close-ok",
                AMQPClass::Confirm(_) => "select",
                other => panic!("{other:?}"),
            };
            names.push(format!("{name} {number}"));
        }
        names
    }

    fn refusal() -> Refusal {
        Refusal {
            code: 404,
            text: "NOT_FOUND".into(),
        }
    }

    #[test]
    fn a_number_is_used_again_when_its_end_is_confirmed() {
        let (outbox, mut written) = Outbox::new(2);
        let (one, two) = (Arc::default(), Arc::default());
        assert_eq!((outbox.open(&one), outbox.open(&two)), (Ok(1), Ok(2)));
        outbox.close(1, &one);
        assert_eq!(outbox.open(&Arc::default()), Err(End::Lost), "none is free");
        outbox.closed(1);
        assert_eq!(outbox.open(&Arc::default()), Ok(1));
        assert_eq!(
            sent(&mut written),
            [
                "open 1", "select 1", "open 2", "select 2", "close 1", "open 1", "select 1"
            ]
        );
    }

    #[test]
    fn what_the_broker_closed_is_not_closed_again() {
        let (outbox, mut written) = Outbox::new(2);
        let (one, next) = (Arc::default(), Arc::default());
        outbox.open(&one).unwrap();
        outbox.refused(1, refusal());
        assert_eq!(outbox.open(&next), Ok(1));
        outbox.close(1, &one);
        assert_eq!(
            sent(&mut written),
            ["open 1", "select 1", "close-ok 1", "open 1", "select 1"]
        );
        // Both closed it at once, and this is the answer to ours.
        outbox.closed(1);
        assert!(outbox.line(1).is_some_and(|line| Arc::ptr_eq(&line, &next)));
    }

    #[test]
    fn with_the_connection_every_channel_ends() {
        let (outbox, _written) = Outbox::new(2);
        let line = Arc::default();
        outbox.open(&line).unwrap();
        outbox.end();
        assert_eq!(outbox.open(&Arc::default()), Err(End::Lost));
        assert!(outbox.line(1).is_none());
    }
}

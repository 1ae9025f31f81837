//! What this adapter does once per item, without a connection around it: so that `bench/instructions` can count it.

use amq_protocol::frame::{AMQPFrame, parse_frame};
use bytes::BytesMut;
use flotilla_core::message::{ItemMessage, Malformed};
use lapin::BasicProperties;

use crate::publishing::frames::write_message;
use crate::wire::{Outgoing, read_item, redeliveries};

/// What RabbitMQ agrees to unless it is configured otherwise.
const FRAME_MAX: usize = 131_072;

/// Writes the frames that publish `item`.
pub fn publish(out: &mut BytesMut, item: &ItemMessage) {
    write_message(out, 1, FRAME_MAX, &Outgoing::Item(item));
}

/// An item as the client library delivers it.
#[derive(Debug)]
pub struct Delivered {
    properties: BasicProperties,
    body: Vec<u8>,
}

impl Delivered {
    /// What becomes of `item` on the way. `None` where the frames that publish it can't be read.
    #[must_use]
    pub fn of(item: &ItemMessage) -> Option<Self> {
        let mut frames = BytesMut::new();
        publish(&mut frames, item);
        let (rest, _) = parse_frame(&frames[..]).ok()?;
        let (rest, header) = parse_frame(rest).ok()?;
        let (_, body) = parse_frame(rest).ok()?;
        match (header, body) {
            (AMQPFrame::Header(_, header), AMQPFrame::Body(_, body)) => Some(Self {
                properties: header.properties,
                body,
            }),
            _ => None,
        }
    }

    /// Reads the item, and how often it came back before.
    ///
    /// # Errors
    /// Where it is malformed.
    pub fn read(&self) -> Result<(ItemMessage, u32), Malformed> {
        let message = read_item(&self.properties, self.body.clone())?;
        Ok((message, redeliveries(&self.properties, false)))
    }
}

//! Frames: those that publish a message are written here, the others by `amq-protocol`.

use amq_protocol::frame::{AMQPFrame, WriteContext, gen_frame, parse_frame};
use bytes::{Buf, BufMut, Bytes, BytesMut};
use lapin::protocol::constants::{FRAME_BODY, FRAME_END, FRAME_HEADER, FRAME_METHOD};

use super::properties::{short_string, sized};
use crate::wire::Outgoing;

/// What a frame has around its payload: type, channel, length, end.
pub(super) const AROUND: usize = 8;
/// Class and method of `basic.publish`, section 1.8.3.7 of the reference.
const BASIC: u16 = 60;
const PUBLISH: u16 = 40;
/// The flag of `basic.publish`: what leads to no queue comes back.
const MANDATORY: u8 = 1;

/// Writes the frames that publish `message`. None is longer than `frame_max`: its header is not, whatever the message.
pub(crate) fn write_message(out: &mut BytesMut, channel: u16, frame_max: usize, message: &Outgoing<'_>) {
    frame(out, FRAME_METHOD, channel, |out| {
        out.put_u16(BASIC);
        out.put_u16(PUBLISH);
        // Reserved.
        out.put_u16(0);
        short_string(out, message.exchange());
        short_string(out, &message.key());
        out.put_u8(MANDATORY);
    });
    let body = message.body();
    frame(out, FRAME_HEADER, channel, |out| {
        out.put_u16(BASIC);
        // Weight, unused.
        out.put_u16(0);
        out.put_u64(body.len() as u64);
        message.write_properties(out);
    });
    for part in body.chunks(frame_max - AROUND) {
        frame(out, FRAME_BODY, channel, |out| out.put_slice(part));
    }
}

fn frame(out: &mut BytesMut, kind: u8, channel: u16, write: impl FnOnce(&mut BytesMut)) {
    out.put_u8(kind);
    out.put_u16(channel);
    sized(out, write);
    out.put_u8(FRAME_END);
}

/// A frame as bytes.
pub(super) fn encoded(frame: &AMQPFrame) -> Bytes {
    let written = gen_frame(frame)(WriteContext::from(Vec::new())).map(WriteContext::into_inner);
    let (bytes, _) = written.expect("memory takes every frame");
    bytes.into()
}

/// What was received is no frame.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("it sent something that is not AMQP 0-9-1")]
pub(super) struct NotAFrame;

/// Takes the next frame out of what was received. `None` where it is not complete.
pub(super) fn take(received: &mut BytesMut) -> Result<Option<AMQPFrame>, NotAFrame> {
    // A server that speaks another version says so, and closes the connection.
    if received.starts_with(b"AMQP") {
        return Err(NotAFrame);
    }
    // The length is looked at first, so that a frame which arrives in parts is parsed once.
    let length = received.get(3..7).and_then(|length| length.try_into().ok());
    let whole = length.map(|length| u32::from_be_bytes(length) as usize + AROUND);
    let Some(whole) = whole.filter(|&whole| whole <= received.len()) else {
        return Ok(None);
    };
    let (_, frame) = parse_frame(&received[..whole]).map_err(|_| NotAFrame)?;
    received.advance(whole);
    Ok(Some(frame))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_taken_as_they_become_complete() {
        let heartbeat = encoded(&AMQPFrame::Heartbeat);
        let body = encoded(&AMQPFrame::Body(2, b"abc".to_vec()));
        let mut received = BytesMut::new();
        for byte in &body[..body.len() - 1] {
            received.put_u8(*byte);
            assert_eq!(take(&mut received), Ok(None));
        }
        received.put_u8(body[body.len() - 1]);
        received.put_slice(&heartbeat);
        assert_eq!(take(&mut received), Ok(Some(AMQPFrame::Body(2, b"abc".to_vec()))));
        assert_eq!(take(&mut received), Ok(Some(AMQPFrame::Heartbeat)));
        assert_eq!(take(&mut received), Ok(None));
    }

    #[test]
    fn what_is_no_frame_is_an_error() {
        for rubbish in [
            &b"AMQP\0\0\x09\x01"[..],
            b"\x09\0\0\0\0\0\0\xce",
            b"\x08\0\0\0\0\0\0\0",
        ] {
            assert_eq!(take(&mut BytesMut::from(rubbish)), Err(NotAFrame));
        }
    }
}

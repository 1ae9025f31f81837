//! Writes the properties of a message. Section 4.2.6.1 of the AMQP 0-9-1 specification has their form: which there are,
//! as flags, and then their values, in the order of the flags.

use std::io;

use bytes::buf::Writer;
use bytes::{BufMut, BytesMut};

const CONTENT_TYPE: u16 = 1 << 15;
const HEADERS: u16 = 1 << 13;
const DELIVERY_MODE: u16 = 1 << 12;
const MESSAGE_ID: u16 = 1 << 7;
const KIND: u16 = 1 << 5;
const APP_ID: u16 = 1 << 3;

/// Properties that are being written, in the order of the methods.
pub(crate) struct Properties<'a> {
    out: &'a mut BytesMut,
    /// Where the flags are.
    at: usize,
    flags: u16,
}

impl<'a> Properties<'a> {
    pub(crate) fn begin(out: &'a mut BytesMut) -> Self {
        let at = out.len();
        out.put_u16(0);
        Self { out, at, flags: 0 }
    }

    pub(crate) fn content_type(self, value: &str) -> Self {
        self.text(CONTENT_TYPE, value)
    }

    /// The headers that `write` writes with [`table`].
    pub(crate) fn headers(mut self, write: impl FnOnce(&mut BytesMut)) -> Self {
        self.flags |= HEADERS;
        sized(self.out, write);
        self
    }

    pub(crate) fn delivery_mode(mut self, mode: u8) -> Self {
        self.flags |= DELIVERY_MODE;
        self.out.put_u8(mode);
        self
    }

    /// What `write` writes, which is at most 255 bytes.
    pub(crate) fn message_id(mut self, write: impl FnOnce(Writer<&mut BytesMut>) -> io::Result<()>) -> Self {
        self.flags |= MESSAGE_ID;
        let at = self.out.len();
        self.out.put_u8(0);
        write((&mut *self.out).writer()).expect("memory takes everything");
        self.out[at] = u8::try_from(self.out.len() - at - 1).expect("an id is short");
        self
    }

    pub(crate) fn kind(self, value: Option<&String>) -> Self {
        match value {
            Some(value) => self.text(KIND, value),
            None => self,
        }
    }

    /// The last one.
    pub(crate) fn app_id(self, value: &str) {
        let Self { out, at, flags } = self.text(APP_ID, value);
        out[at..at + 2].copy_from_slice(&flags.to_be_bytes());
    }

    fn text(mut self, flag: u16, value: &str) -> Self {
        self.flags |= flag;
        short_string(self.out, value);
        self
    }
}

/// The fields of a table.
pub(crate) mod table {
    use super::{BufMut, BytesMut, short_string, sized};

    /// A text: what `write` writes.
    pub(crate) fn text(out: &mut BytesMut, name: &str, write: impl FnOnce(&mut BytesMut)) {
        short_string(out, name);
        out.put_u8(b'S');
        sized(out, write);
    }
}

/// A text of at most 255 bytes; what is longer is cut off, as every caller has seen to it that it is not.
pub(super) fn short_string(out: &mut BytesMut, text: &str) {
    let length = u8::try_from(text.len()).unwrap_or(u8::MAX);
    out.put_u8(length);
    out.put_slice(&text.as_bytes()[..length.into()]);
}

/// What `write` writes, with its length before it.
pub(super) fn sized(out: &mut BytesMut, write: impl FnOnce(&mut BytesMut)) {
    let at = out.len();
    out.put_u32(0);
    write(out);
    let length = u32::try_from(out.len() - at - 4).expect("a part of a frame is shorter than 4 GiB");
    out[at..at + 4].copy_from_slice(&length.to_be_bytes());
}

//! Records out of bytes: bounded in length, and with the line that each begins on.

use std::io::Read;

use csv::{ByteRecord, ErrorKind, Reader, ReaderBuilder};

use super::super::gauge::{Gauge, Gauged};
use super::super::{Chunker, read_failed};
use crate::problem::Problem;

/// What the reader reads ahead.
const BUFFER: usize = 16 << 10;

/// The longest record of an item of so many bytes: quotes in a quoted field are doubled.
pub(super) fn longest(max_item_bytes: usize) -> usize {
    2 * max_item_bytes + BUFFER
}

/// Reads records, none of them longer than it may be.
pub(super) struct Rows<R> {
    reader: Reader<Tail<Gauged<R>>>,
    gauge: Gauge,
    longest: usize,
}

impl<R: Read> Rows<R> {
    pub(super) fn new(body: R, delimiter: u8, longest: usize) -> Self {
        let gauge = Gauge::default();
        let reader = ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .delimiter(delimiter)
            .buffer_capacity(BUFFER)
            .from_reader(Tail::new(gauge.over(body)));
        Self {
            reader,
            gauge,
            longest,
        }
    }

    pub(super) fn next(&mut self, record: &mut ByteRecord, chunker: &Chunker<'_>) -> Result<bool, Problem> {
        self.gauge.allow(self.longest);
        let line = self.reader.position().line() + u64::from(self.last_byte() == Some(b'\r'));
        self.reader.read_byte_record(record).map_err(|error| {
            if self.gauge.is_overrun() {
                return chunker.too_large().with("line", line);
            }
            match error.into_kind() {
                ErrorKind::Io(error) => read_failed(error),
                other => Problem::internal(&format!("reading CSV: {other:?}")),
            }
        })
    }

    /// The line on which `record`, the last one read, begins. Its own position is where the one before it ended: before
    /// the second half of a CRLF, and before empty lines. So this counts back from where the reader is now.
    pub(super) fn line_of(&self, record: &ByteRecord) -> u64 {
        let within = record.as_slice().iter().filter(|byte| **byte == b'\n').count() as u64;
        let end = u64::from(self.last_byte() == Some(b'\n'));
        self.reader.position().line().saturating_sub(within + end)
    }

    /// The byte that ended the last record; none before the first one.
    fn last_byte(&self) -> Option<u8> {
        self.reader
            .get_ref()
            .byte(self.reader.position().byte().checked_sub(1)?)
    }
}

/// Remembers the last block that was read: a record ends in it.
struct Tail<R> {
    inner: R,
    start: u64,
    block: Vec<u8>,
}

impl<R> Tail<R> {
    fn new(inner: R) -> Self {
        Self {
            inner,
            start: 0,
            block: Vec::new(),
        }
    }

    fn byte(&self, position: u64) -> Option<u8> {
        let offset = usize::try_from(position.checked_sub(self.start)?).ok()?;
        self.block.get(offset).copied()
    }
}

impl<R: Read> Read for Tail<R> {
    fn read(&mut self, buf: &mut [u8]) -> std::io::Result<usize> {
        let n = self.inner.read(buf)?;
        if n > 0 {
            self.start += self.block.len() as u64;
            self.block.clear();
            self.block.extend_from_slice(&buf[..n]);
        }
        Ok(n)
    }
}

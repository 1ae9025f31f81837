//! Rows in PostgreSQL's binary COPY format.
//!
//! Written here rather than by the client library's writer, which sends 4 KB at a time: each send wakes the task of the
//! connection.

use bytes::{BufMut, Bytes, BytesMut};
use jiff::Timestamp;

/// Bytes after which a piece is sent.
const PIECE: usize = 256 * 1024;
/// Bytes of a row, about: what is reserved for few rows is not a whole piece.
const ROW: usize = 256;

const SIGNATURE: &[u8] = b"PGCOPY\n\xff\r\n\0";

/// PostgreSQL counts from the year 2000.
const EPOCH: Timestamp = Timestamp::constant(946_684_800, 0);

/// The rows that `put` writes, as pieces of the stream: a header, rows, a trailer.
pub(crate) fn encode<R, P>(rows: R, put: P) -> Pieces<R::IntoIter, P>
where
    R: IntoIterator,
    P: Fn(&mut Row<'_>, R::Item),
{
    let rows = rows.into_iter();
    let rows_at_least = rows.size_hint().0;
    let mut buffer = BytesMut::with_capacity(rows_at_least.saturating_mul(ROW).min(PIECE));
    buffer.put_slice(SIGNATURE);
    buffer.put_i32(0); // No flags,
    buffer.put_i32(0); // no extension of the header.
    Pieces {
        rows,
        put,
        buffer,
        done: false,
    }
}

/// See [`encode`].
pub(crate) struct Pieces<R, P> {
    rows: R,
    put: P,
    buffer: BytesMut,
    done: bool,
}

impl<R: Iterator, P: Fn(&mut Row<'_>, R::Item)> Iterator for Pieces<R, P> {
    type Item = Bytes;

    fn next(&mut self) -> Option<Bytes> {
        if self.done {
            return None;
        }
        while self.buffer.len() < PIECE {
            let Some(row) = self.rows.next() else {
                self.buffer.put_i16(-1);
                self.done = true;
                break;
            };
            let start = self.buffer.len();
            self.buffer.put_i16(0);
            let mut fields = Row {
                out: &mut self.buffer,
                fields: 0,
            };
            (self.put)(&mut fields, row);
            let fields = fields.fields.to_be_bytes();
            self.buffer[start..start + 2].copy_from_slice(&fields);
        }
        Some(self.buffer.split().freeze())
    }
}

/// A row as it is written, field by field.
pub(crate) struct Row<'a> {
    out: &'a mut BytesMut,
    fields: i16,
}

impl Row<'_> {
    /// Text, or whatever else is its own bytes: a length and as many bytes. The server has no field of 2 GB either.
    pub(crate) fn bytes(&mut self, field: &[u8]) {
        self.out.put_i32(i32::try_from(field.len()).unwrap_or(i32::MAX));
        self.out.put_slice(field);
        self.fields += 1;
    }

    pub(crate) fn text(&mut self, field: Option<&str>) {
        match field {
            Some(text) => self.bytes(text.as_bytes()),
            None => self.null(),
        }
    }

    pub(crate) fn null(&mut self) {
        self.out.put_i32(-1);
        self.fields += 1;
    }

    pub(crate) fn integer(&mut self, field: i32) {
        self.bytes(&field.to_be_bytes());
    }

    pub(crate) fn bigint(&mut self, field: i64) {
        self.bytes(&field.to_be_bytes());
    }

    /// A time in the range of the column, see [`storable_time`](crate::rows::storable_time).
    pub(crate) fn time(&mut self, field: Timestamp) {
        self.bigint(field.as_microsecond() - EPOCH.as_microsecond());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_its_fields_with_their_lengths() {
        let pieces: Vec<_> = encode([()], |row, ()| {
            row.integer(258);
            row.null();
            row.text(Some("[7]"));
            row.bigint(1);
            row.time(EPOCH);
        })
        .collect();
        let mut expected = SIGNATURE.to_vec();
        expected.extend([0; 8]);
        expected.extend([0, 5, 0, 0, 0, 4, 0, 0, 1, 2]);
        expected.extend([255, 255, 255, 255]);
        expected.extend([0, 0, 0, 3, b'[', b'7', b']']);
        expected.extend([0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 1]);
        expected.extend([0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 0]);
        expected.extend([255, 255]);
        assert_eq!(pieces.concat(), expected);
    }

    #[test]
    fn long_tables_come_in_pieces() {
        let text = "x".repeat(1_000);
        let sizes: Vec<_> = encode(0..1_000, |row, _| row.text(Some(&text)))
            .map(|piece| piece.len())
            .collect();
        assert!(
            sizes.len() > 3 && sizes.iter().all(|&size| size < PIECE + 2_000),
            "{sizes:?}"
        );
    }
}

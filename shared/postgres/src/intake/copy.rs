//! Items in PostgreSQL's binary COPY format.
//!
//! Written here rather than by the client library's writer, which sends 4 KB at a time: each send wakes the task of the
//! connection.

use bytes::{BufMut, Bytes, BytesMut};
use flotilla_core::item::NewItem;
use flotilla_core::{BatchId, ItemIndex};

/// The columns that [`encode`] writes, in this order.
pub(super) const COPY: &str =
    "COPY batch_items (batch_id, index, custom_id, input) FROM STDIN (FORMAT binary)";

/// Bytes after which a piece is sent.
const PIECE: usize = 256 * 1024;

const SIGNATURE: &[u8] = b"PGCOPY\n\xff\r\n\0";

/// The items as pieces of the stream: a header, rows, a trailer.
pub(super) fn encode(batch: BatchId, first: ItemIndex, items: &[NewItem]) -> Pieces<'_> {
    let mut buffer = BytesMut::with_capacity(PIECE);
    buffer.put_slice(SIGNATURE);
    buffer.put_i32(0); // No flags,
    buffer.put_i32(0); // no extension of the header.
    Pieces {
        batch,
        rows: (first..).zip(items),
        buffer,
        done: false,
    }
}

/// See [`encode`].
pub(super) struct Pieces<'a> {
    batch: BatchId,
    rows: std::iter::Zip<std::ops::RangeFrom<ItemIndex>, std::slice::Iter<'a, NewItem>>,
    buffer: BytesMut,
    done: bool,
}

impl Iterator for Pieces<'_> {
    type Item = Bytes;

    fn next(&mut self) -> Option<Bytes> {
        if self.done {
            return None;
        }
        while self.buffer.len() < PIECE {
            let Some((index, item)) = self.rows.next() else {
                self.buffer.put_i16(-1);
                self.done = true;
                break;
            };
            put_row(&mut self.buffer, self.batch, index, item);
        }
        Some(self.buffer.split().freeze())
    }
}

fn put_row(out: &mut BytesMut, batch: BatchId, index: ItemIndex, item: &NewItem) {
    out.put_i16(4);
    put_field(out, Some(batch.0.as_bytes()));
    put_field(out, Some(&index.to_be_bytes()));
    put_field(out, item.custom_id.as_ref().map(String::as_bytes));
    put_field(out, Some(item.input.as_str().as_bytes()));
}

/// A length and as many bytes; -1 is null. The server has no field of 2 GB either.
fn put_field(out: &mut BytesMut, field: Option<&[u8]>) {
    let Some(bytes) = field else {
        out.put_i32(-1);
        return;
    };
    out.put_i32(i32::try_from(bytes.len()).unwrap_or(i32::MAX));
    out.put_slice(bytes);
}

#[cfg(test)]
mod tests {
    use flotilla_core::Json;

    use super::*;

    #[test]
    fn a_row_is_four_fields_with_their_lengths() {
        let items = [NewItem {
            custom_id: None,
            input: Json::parse("[7]").unwrap(),
        }];
        let batch = BatchId(uuid::Uuid::from_u128(1));
        let pieces: Vec<_> = encode(batch, 258, &items).collect();
        let mut expected = SIGNATURE.to_vec();
        expected.extend([0; 8]);
        expected.extend([0, 4, 0, 0, 0, 16]);
        expected.extend(1_u128.to_be_bytes());
        expected.extend([0, 0, 0, 4, 0, 0, 1, 2]);
        expected.extend([255, 255, 255, 255]);
        expected.extend([0, 0, 0, 3, b'[', b'7', b']']);
        expected.extend([255, 255]);
        assert_eq!(pieces.concat(), expected);
    }

    #[test]
    fn long_uploads_come_in_pieces() {
        let item = NewItem {
            custom_id: Some("a".into()),
            input: Json::string(&"x".repeat(1_000)),
        };
        let items = vec![item; 1_000];
        let sizes: Vec<_> = encode(BatchId(uuid::Uuid::nil()), 0, &items)
            .map(|piece| piece.len())
            .collect();
        assert!(
            sizes.len() > 3 && sizes.iter().all(|&size| size < PIECE + 2_000),
            "{sizes:?}"
        );
    }
}

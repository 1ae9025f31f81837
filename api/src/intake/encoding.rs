//! Compressed bodies, unpacked while they are read.

use std::io::{Error, Read, Result as IoResult};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::http::HeaderMap;
use axum::http::header::CONTENT_ENCODING;
use flate2::read::MultiGzDecoder;

use super::body::too_large;
use crate::problem::{Kind, Problem};

/// How a body is packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Encoding {
    /// As it is.
    Identity,
    /// RFC 1952, in one member or several.
    Gzip,
    /// RFC 8878, in one frame or several.
    Zstd,
}

/// Every encoding that is accepted.
const ACCEPTED: [(&str, Encoding); 4] = [
    ("identity", Encoding::Identity),
    ("gzip", Encoding::Gzip),
    ("x-gzip", Encoding::Gzip),
    ("zstd", Encoding::Zstd),
];

/// A body that unpacks to more than this is looked at: more than so many times its length is no batch, but an attempt to
/// keep the server busy.
const UNSUSPICIOUS: u64 = 64 << 20;
const MOST_TIMES: u64 = 200;

/// The window that zstd may need, as a power of two: 8 MiB, which RFC 8878 asks every decoder to support and RFC 9659 every
/// sender to keep to.
const ZSTD_WINDOW: u32 = 23;

impl Encoding {
    /// The encoding that the headers say.
    ///
    /// # Errors
    /// Where they say another one, or several.
    pub(crate) fn of(headers: &HeaderMap) -> Result<Self, Problem> {
        let mut given = headers.get_all(CONTENT_ENCODING).iter();
        let (first, more) = (given.next(), given.next());
        let Some(first) = first else {
            return Ok(Self::Identity);
        };
        let name = first.as_bytes().trim_ascii();
        let known = ACCEPTED
            .iter()
            .find(|(accepted, _)| more.is_none() && name.eq_ignore_ascii_case(accepted.as_bytes()));
        known.map(|&(_, encoding)| encoding).ok_or_else(|| {
            let accepted = ACCEPTED.map(|(name, _)| name);
            Problem::new(
                Kind::UnsupportedEncoding,
                format!(
                    "send the body as it is, or packed once, as {}",
                    accepted[1..].join(", ")
                ),
            )
            .with("accepted", accepted.to_vec())
        })
    }

    /// What `body` unpacks to, of which there may be `limit` bytes. Needs a few hundred kilobytes, and up to 8 MiB more for
    /// zstd.
    pub(crate) fn unpack<R: Read + Send + 'static>(
        self,
        body: R,
        limit: Option<u64>,
    ) -> IoResult<Box<dyn Read + Send>> {
        let packed = Arc::new(AtomicU64::new(0));
        let body = Counted(body, Arc::clone(&packed));
        let (name, unpacked): (_, Box<dyn Read + Send>) = match self {
            Self::Identity => return Ok(Box::new(body.0)),
            Self::Gzip => ("gzip", Box::new(MultiGzDecoder::new(body))),
            Self::Zstd => {
                let mut decoder = zstd::stream::read::Decoder::new(body)?;
                decoder.window_log_max(ZSTD_WINDOW)?;
                ("zstd", Box::new(decoder))
            }
        };
        Ok(Box::new(Unpacked {
            name,
            unpacked,
            packed,
            bytes: 0,
            limit,
        }))
    }
}

/// Counts what is read.
struct Counted<R>(R, Arc<AtomicU64>);

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buf: &mut [u8]) -> IoResult<usize> {
        let read = self.0.read(buf)?;
        self.1.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }
}

/// Bounds what comes out, and says what is wrong with what went in.
struct Unpacked {
    name: &'static str,
    unpacked: Box<dyn Read + Send>,
    /// Bytes that went in.
    packed: Arc<AtomicU64>,
    /// Bytes that came out.
    bytes: u64,
    limit: Option<u64>,
}

impl Read for Unpacked {
    fn read(&mut self, buf: &mut [u8]) -> IoResult<usize> {
        let read = self.unpacked.read(buf).map_err(|error| self.explained(error))?;
        self.bytes += read as u64;
        let times = self.bytes / self.packed.load(Ordering::Relaxed).max(1);
        if self.bytes > UNSUSPICIOUS && times > MOST_TIMES {
            return Err(Error::other(Problem::new(
                Kind::UploadTooLarge,
                format!("the body unpacks to more than {MOST_TIMES} times its length"),
            )));
        }
        match self.limit {
            Some(limit) if self.bytes > limit => Err(Error::other(too_large(limit))),
            _ => Ok(read),
        }
    }
}

impl Unpacked {
    /// What broke below already says so.
    fn explained(&self, error: Error) -> Error {
        if error.get_ref().is_some_and(|inner| inner.is::<Problem>()) {
            return error;
        }
        Error::other(Problem::new(
            Kind::DamagedBody,
            format!("the body is not complete and sound {}: {error}", self.name),
        ))
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Cursor, Write};

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    fn gzip(text: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    fn unpack(encoding: Encoding, body: Vec<u8>, limit: Option<u64>) -> Result<Vec<u8>, Kind> {
        let mut text = Vec::new();
        let mut reader = encoding.unpack(Cursor::new(body), limit).unwrap();
        match reader.read_to_end(&mut text) {
            Ok(_) => Ok(text),
            Err(error) => Err(error.downcast::<Problem>().unwrap().kind()),
        }
    }

    #[test]
    fn several_members_are_one_body() {
        let both = [gzip(b"1\n"), gzip(b"2\n")].concat();
        assert_eq!(unpack(Encoding::Gzip, both, None), Ok(b"1\n2\n".to_vec()));
        let frame = |text: &[u8]| zstd::encode_all(text, 3).unwrap();
        let both = [frame(b"1\n"), frame(b"2\n")].concat();
        assert_eq!(unpack(Encoding::Zstd, both, None), Ok(b"1\n2\n".to_vec()));
        assert_eq!(unpack(Encoding::Identity, b"1".to_vec(), None), Ok(b"1".to_vec()));
    }

    #[test]
    fn a_part_is_not_the_whole() {
        let text = "a line of some length\n".repeat(1_000);
        for (encoding, packed) in [
            (Encoding::Gzip, gzip(text.as_bytes())),
            (Encoding::Zstd, zstd::encode_all(text.as_bytes(), 3).unwrap()),
        ] {
            for cut in [1, packed.len() / 2, packed.len() - 1] {
                let part = unpack(encoding, packed[..cut].to_vec(), None);
                assert_eq!(part, Err(Kind::DamagedBody), "{encoding:?} cut at {cut}");
            }
            assert_eq!(
                unpack(encoding, b"{\"n\": 1}\n".to_vec(), None),
                Err(Kind::DamagedBody),
                "{encoding:?}"
            );
        }
    }

    #[test]
    fn what_comes_out_is_bounded() {
        let bomb = vec![b'\n'; 10_000_000];
        for (encoding, packed) in [
            (Encoding::Gzip, gzip(&bomb)),
            (Encoding::Zstd, zstd::encode_all(&bomb[..], 19).unwrap()),
        ] {
            assert!(packed.len() < 20_000);
            assert_eq!(
                unpack(encoding, packed.clone(), Some(9_999_999)),
                Err(Kind::UploadTooLarge)
            );
            assert_eq!(unpack(encoding, packed, Some(10_000_000)), Ok(bomb.clone()));
        }
    }

    #[test]
    fn a_bomb_is_refused_soon() {
        let bomb = vec![b'\n'; 100 << 20];
        for (encoding, packed) in [
            (Encoding::Gzip, gzip(&bomb)),
            (Encoding::Zstd, zstd::encode_all(&bomb[..], 1).unwrap()),
        ] {
            assert_eq!(
                unpack(encoding, packed, None),
                Err(Kind::UploadTooLarge),
                "{encoding:?}"
            );
        }
    }

    #[test]
    fn zstd_that_needs_much_memory_is_refused() {
        let mut encoder = zstd::Encoder::new(Vec::new(), 1).unwrap();
        encoder.window_log(27).unwrap();
        encoder.include_contentsize(false).unwrap();
        encoder.write_all(&vec![b'x'; 1 << 20]).unwrap();
        let packed = encoder.finish().unwrap();
        assert_eq!(unpack(Encoding::Zstd, packed, None), Err(Kind::DamagedBody));
    }

    #[test]
    fn encodings_have_names() {
        let of = |values: &[&'static str]| {
            let headers = values
                .iter()
                .map(|value| (CONTENT_ENCODING, value.parse().unwrap()));
            let mut map = HeaderMap::new();
            headers.for_each(|(name, value)| {
                map.append(name, value);
            });
            Encoding::of(&map).map_err(|problem| problem.kind())
        };
        assert_eq!(of(&[]), Ok(Encoding::Identity));
        assert_eq!(of(&["GZIP"]), Ok(Encoding::Gzip));
        assert_eq!(of(&["zstd"]), Ok(Encoding::Zstd));
        for refused in [&["br"][..], &["gzip, zstd"], &["gzip", "gzip"], &[""]] {
            assert_eq!(of(refused), Err(Kind::UnsupportedEncoding), "{refused:?}");
        }
    }
}

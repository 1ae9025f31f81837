//! The text of a body, whatever characters it is written in, as UTF-8.

use std::io::{Chain, Cursor, Error, Read, Result as IoResult};

use encoding_rs::{Decoder, DecoderResult, Encoding, UTF_8};
use memchr::memchr_iter;

use crate::problem::{Kind, Problem};

/// What is decoded at once.
const BLOCK: usize = 8 << 10;
/// The longest byte order mark.
const LONGEST_MARK: u64 = 3;

/// The characters that a label of the WHATWG encoding standard stands for.
///
/// # Errors
/// Where it stands for none.
pub(super) fn of_label(label: &str) -> Result<&'static Encoding, Problem> {
    Encoding::for_label_no_replacement(label.as_bytes()).ok_or_else(|| {
        let label: String = label.chars().take(80).collect();
        let known = "utf-8, utf-16le, utf-16be, windows-1252 (what Excel writes), or another one of https://encoding.spec.whatwg.org";
        Problem::new(
            Kind::UnsupportedMediaType,
            format!("the charset {label:?} is not known; send {known}"),
        )
        .with("charset", label)
    })
}

/// A body as UTF-8, without a byte order mark. Whether text that is UTF-8 by itself really is that, is for its reader to
/// check.
pub(super) enum Text<R> {
    AsItIs(Chain<Cursor<Vec<u8>>, R>),
    Decoded(Box<Decoding<R>>),
}

impl<R: Read> Text<R> {
    /// A mark says what the text is. Without one it is what was declared, and without that UTF-8: 8-bit charsets look
    /// alike, so none of them is guessed.
    pub(super) fn new(mut body: R, declared: Option<&'static Encoding>) -> IoResult<Self> {
        let mut start = Vec::with_capacity(LONGEST_MARK as usize);
        body.by_ref().take(LONGEST_MARK).read_to_end(&mut start)?;
        let (charset, mark) = Encoding::for_bom(&start).unwrap_or((declared.unwrap_or(UTF_8), 0));
        start.drain(..mark);
        let body = Cursor::new(start).chain(body);
        Ok(if charset == UTF_8 {
            Self::AsItIs(body)
        } else {
            Self::Decoded(Box::new(Decoding::new(body, charset)))
        })
    }
}

impl<R: Read> Read for Text<R> {
    fn read(&mut self, buf: &mut [u8]) -> IoResult<usize> {
        match self {
            Self::AsItIs(body) => body.read(buf),
            Self::Decoded(decoding) => decoding.read(buf),
        }
    }
}

/// Decodes while it is read, and fails where something can't be decoded.
pub(super) struct Decoding<R> {
    body: Chain<Cursor<Vec<u8>>, R>,
    decoder: Decoder,
    /// What was read, of which everything before `raw_at` is decoded.
    raw: Vec<u8>,
    raw_at: usize,
    /// What was decoded: `text_at..text_end` is still to be handed out.
    text: Vec<u8>,
    text_at: usize,
    text_end: usize,
    /// Where decoding has come to.
    line: u64,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Reading,
    /// Nothing more comes in.
    Last,
    /// Nothing more comes out.
    Ended,
    /// What comes next can't be decoded.
    Malformed,
}

impl<R: Read> Decoding<R> {
    fn new(body: Chain<Cursor<Vec<u8>>, R>, charset: &'static Encoding) -> Self {
        Self {
            body,
            decoder: charset.new_decoder_without_bom_handling(),
            raw: Vec::new(),
            raw_at: 0,
            text: vec![0; 2 * BLOCK],
            text_at: 0,
            text_end: 0,
            line: 1,
            state: State::Reading,
        }
    }

    /// Decodes another piece; leaves none only where there is none.
    fn advance(&mut self) -> IoResult<()> {
        if self.state == State::Reading && self.raw_at == self.raw.len() {
            self.raw.resize(BLOCK, 0);
            self.raw_at = BLOCK;
            let read = self.body.read(&mut self.raw)?;
            self.raw.truncate(read);
            self.raw_at = 0;
            if read == 0 {
                self.state = State::Last;
            }
        }
        let (result, read, written) = self.decoder.decode_to_utf8_without_replacement(
            &self.raw[self.raw_at..],
            &mut self.text,
            self.state == State::Last,
        );
        self.raw_at += read;
        (self.text_at, self.text_end) = (0, written);
        self.line += memchr_iter(b'\n', &self.text[..written]).count() as u64;
        match result {
            DecoderResult::InputEmpty if self.state == State::Last => self.state = State::Ended,
            DecoderResult::InputEmpty | DecoderResult::OutputFull => {}
            DecoderResult::Malformed(..) => self.state = State::Malformed,
        }
        Ok(())
    }

    fn malformed(&self) -> Error {
        let (name, line) = (self.decoder.encoding().name(), self.line);
        let detail = format!(
            "line {line} has bytes that mean nothing in {name}, the charset that the upload declares"
        );
        Error::other(Problem::new(Kind::InvalidCsv, detail).with("line", line))
    }
}

impl<R: Read> Read for Decoding<R> {
    fn read(&mut self, buf: &mut [u8]) -> IoResult<usize> {
        while self.text_at == self.text_end {
            match self.state {
                State::Ended => return Ok(0),
                State::Malformed => return Err(self.malformed()),
                State::Reading | State::Last => self.advance()?,
            }
        }
        let n = buf.len().min(self.text_end - self.text_at);
        buf[..n].copy_from_slice(&self.text[self.text_at..self.text_at + n]);
        self.text_at += n;
        Ok(n)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(body: &[u8], declared: Option<&str>) -> Result<String, String> {
        let declared = declared.map(|label| of_label(label).unwrap());
        let mut text = String::new();
        let read = Text::new(body, declared)
            .unwrap()
            .read_to_string(&mut text)
            .map(|_| text);
        read.map_err(|error| error.to_string())
    }

    #[test]
    fn a_mark_says_more_than_a_declaration() {
        for (body, declared) in [
            (&b"\xef\xbb\xbfn\xc3\xa4"[..], None),
            (b"n\xc3\xa4", None),
            (b"\xef\xbb\xbfn\xc3\xa4", Some("windows-1252")),
            (b"\xff\xfen\0\xe4\0", None),
            (b"\xfe\xff\0n\0\xe4", Some("utf-8")),
            (b"n\0\xe4\0", Some("utf-16")),
            (b"n\xe4", Some(" ISO-8859-1 ")),
            (b"n\xe4", Some("Windows-1252")),
        ] {
            assert_eq!(
                text(body, declared).as_deref(),
                Ok("n\u{e4}"),
                "{body:?} {declared:?}"
            );
        }
        assert_eq!(text(b"\x80", Some("windows-1252")).as_deref(), Ok("\u{20ac}"));
        assert_eq!(text(b"", Some("utf-16be")).as_deref(), Ok(""));
    }

    #[test]
    fn what_cannot_be_decoded_is_refused_with_its_line() {
        for (body, declared) in [
            (&b"a\nb\n\x81\x20"[..], "shift_jis"),
            (b"a\nb\n\x81", "gbk"),
            (b"a\0\n\0b\0\n\0\0\xd8a\0", "utf-16le"),
            (b"a\0\n\0b\0\n\0a", "utf-16le"),
        ] {
            let refused = text(body, Some(declared)).unwrap_err();
            assert!(refused.contains("line 3 has bytes"), "{declared}: {refused}");
        }
    }

    #[test]
    fn a_charset_that_nobody_knows() {
        let refused = of_label("ebcdic").unwrap_err();
        assert_eq!(refused.kind(), Kind::UnsupportedMediaType);
        assert!(refused.to_string().contains("windows-1252"), "{refused}");
        assert!(of_label("iso-2022-kr").is_err());
    }
}

//! What stands between two fields.

use std::io::{Chain, Cursor, Read, Result as IoResult};

use super::super::checks::invalid;
use crate::problem::Problem;

/// Which byte separates fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Delimiter {
    /// The one that the first record has most of.
    #[default]
    Detected,
    /// This one.
    Is(u8),
}

/// What is looked for, and its name. The first one wins a tie.
const KNOWN: [(u8, &str); 4] = [
    (b',', "comma"),
    (b';', "semicolon"),
    (b'\t', "tab"),
    (b'|', "pipe"),
];

/// Separates nothing: UTF-8 has no such byte.
pub(super) const NONE: u8 = 0xff;

/// A delimiter, and the body from its beginning.
type Found<R> = (u8, Chain<Cursor<Vec<u8>>, R>);

/// What is looked at at once.
const BLOCK: usize = 8 << 10;

impl Delimiter {
    /// The tab, of tab-separated values.
    pub(super) const TAB: Self = Self::Is(b'\t');

    /// A delimiter by its name, or by itself.
    ///
    /// # Errors
    /// Where it can't be told from what is in a field.
    pub(super) fn named(text: &str) -> Result<Self, Problem> {
        if let Some(&(byte, _)) = KNOWN.iter().find(|(_, name)| *name == text) {
            return Ok(Self::Is(byte));
        }
        match text.as_bytes() {
            &[byte] if byte.is_ascii() && !byte.is_ascii_alphanumeric() && !b"\"\r\n".contains(&byte) => {
                Ok(Self::Is(byte))
            }
            _ => Err(invalid(
                "delimiter",
                "must be comma, semicolon, tab, pipe, or one ASCII character that is no letter, digit, quote or line end",
            )),
        }
    }

    /// The byte, and the body from its beginning. Where it has to be looked for, that takes the first record, of which no
    /// more than `most` bytes are read.
    pub(super) fn find<R: Read>(self, mut body: R, most: usize) -> IoResult<Found<R>> {
        let mut start = Vec::new();
        let byte = match self {
            Self::Is(byte) => byte,
            Self::Detected => detect(&mut body, &mut start, most)?,
        };
        Ok((byte, Cursor::new(start).chain(body)))
    }
}

fn detect(body: &mut impl Read, start: &mut Vec<u8>, most: usize) -> IoResult<u8> {
    let mut survey = Survey::default();
    while start.len() < most {
        let known = start.len();
        start.resize(known + BLOCK, 0);
        let read = body.read(&mut start[known..])?;
        start.truncate(known + read);
        if read == 0 || start[known..].iter().any(|byte| survey.ends_with(*byte)) {
            break;
        }
    }
    Ok(survey.result())
}

/// Counts delimiters in the first record, outside of quotes.
#[derive(Default)]
struct Survey {
    place: Place,
    counts: [u32; KNOWN.len()],
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Place {
    /// Before the first record: lines without anything are none.
    #[default]
    Before,
    /// Where a field begins: only here a quote is one.
    Field,
    Plain,
    Quoted,
    /// Behind a quote in a quoted field: its end, or half of a doubled one.
    Quote,
}

impl Survey {
    /// Looks at the next byte; true where the record ends.
    fn ends_with(&mut self, byte: u8) -> bool {
        self.place = match (self.place, byte) {
            (Place::Quoted, b'"') => Place::Quote,
            (Place::Quoted, _) => Place::Quoted,
            (Place::Before | Place::Field | Place::Quote, b'"') => Place::Quoted,
            (Place::Before, b'\r' | b'\n') => Place::Before,
            (_, b'\r' | b'\n') => return true,
            (_, byte) => match KNOWN.iter().position(|(known, _)| *known == byte) {
                Some(known) => {
                    self.counts[known] += 1;
                    Place::Field
                }
                None => Place::Plain,
            },
        };
        false
    }

    fn result(&self) -> u8 {
        let most = *self.counts.iter().max().unwrap_or(&0);
        let first = self.counts.iter().position(|count| *count == most && most > 0);
        first.map_or(NONE, |first| KNOWN[first].0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn detected(body: &str) -> u8 {
        let (byte, mut whole) = Delimiter::Detected.find(body.as_bytes(), 1_000).unwrap();
        let mut text = String::new();
        whole.read_to_string(&mut text).unwrap();
        assert_eq!(text, body);
        byte
    }

    #[test]
    fn the_first_record_says_it() {
        for (body, expected) in [
            ("a,b,c\n1;2;3;4\n", b','),
            ("a;b;c\n1,2,3,4\n", b';'),
            ("\r\n\na\tb c", b'\t'),
            ("a|b\r1,2", b'|'),
            ("a;b,c\n", b','),
            ("a;b,c;d\n", b';'),
            ("\"a, b, c\";d\n", b';'),
            ("\"a \"\", b, c\n,\"\"\";d\n", b';'),
            ("5\",6\";c;d\n1,2,3", b';'),
            ("name\na,b", NONE),
            ("", NONE),
        ] {
            assert_eq!(detected(body), expected, "{body:?}");
        }
    }

    #[test]
    fn no_more_is_read_than_allowed() {
        let endless = std::io::repeat(b'x').chain(&b",\n"[..]);
        let (byte, whole) = Delimiter::Detected.find(endless, 100_000).unwrap();
        assert_eq!(byte, NONE);
        let (start, _) = whole.into_inner();
        assert!(start.into_inner().len() < 100_000 + BLOCK);
    }

    #[test]
    fn a_delimiter_has_a_name_or_is_one_character() {
        for (text, byte) in [
            ("comma", b','),
            ("semicolon", b';'),
            ("tab", b'\t'),
            ("pipe", b'|'),
            (",", b','),
            ("\t", b'\t'),
            ("\x1f", 0x1f),
            (" ", b' '),
        ] {
            assert_eq!(Delimiter::named(text).unwrap(), Delimiter::Is(byte), "{text:?}");
        }
        for text in ["", "a", "7", "\"", "\n", "\r", ",,", "\u{a7}", "Comma"] {
            let refused = Delimiter::named(text).unwrap_err().to_string();
            assert!(refused.contains("semicolon"), "{refused}");
        }
    }
}

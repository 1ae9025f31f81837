//! What the body of a response is: an output, or a file. Pure.

use flotilla_core::Json;
use flotilla_core::artifact::{self, Artifact, MAX_PART, UNKNOWN_TYPE};
use flotilla_core::outcome::{ItemError, ItemErrorKind};
use reqwest::header::{CONTENT_DISPOSITION, CONTENT_TYPE, HeaderMap};
use serde::Serialize;

/// What a response says that it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// JSON.
    Json,
    /// Nothing, or what frameworks say where nobody told them: it may well be JSON.
    Unclear,
    /// Something else.
    File,
}

impl Kind {
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let Some(said) = headers.get(CONTENT_TYPE) else {
            return Self::Unclear;
        };
        let said = said.to_str().unwrap_or_default().to_ascii_lowercase();
        match said.split(';').next().unwrap_or_default().trim() {
            "application/json" | "text/json" => Self::Json,
            suffixed if suffixed.ends_with("+json") => Self::Json,
            "" | "text/plain" | "text/html" => Self::Unclear,
            _ => Self::File,
        }
    }
}

/// True where `body` has nothing but white space.
pub(super) fn is_blank(body: &[u8]) -> bool {
    body.iter().all(u8::is_ascii_whitespace)
}

/// False where nothing that begins like this is JSON.
pub(super) fn may_be_json(body: &[u8]) -> bool {
    let body = body.trim_ascii();
    match body {
        [] | [b'{' | b'[' | b'"', ..] => true,
        [b't' | b'f' | b'n', ..] => ["true", "false", "null"]
            .iter()
            .any(|word| word.as_bytes().starts_with(body)),
        [b'-' | b'0'..=b'9', ..] => body
            .iter()
            .all(|byte| matches!(byte, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E')),
        _ => false,
    }
}

/// Name and type of the file that a response is.
pub(super) fn described(headers: &HeaderMap) -> (String, String) {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let media_type = text(CONTENT_TYPE)
        .and_then(artifact::media_type)
        .unwrap_or(UNKNOWN_TYPE);
    // Not only ASCII, whatever the standard says.
    let disposition = headers.get(CONTENT_DISPOSITION).map(|value| value.as_bytes());
    let named = disposition
        .and_then(|value| filename(&String::from_utf8_lossy(value)))
        .and_then(|name| safe(&name));
    let name = named.unwrap_or_else(|| match artifact::extension_of(media_type) {
        "" => "body".to_owned(),
        extension => format!("body.{extension}"),
    });
    (name, media_type.to_owned())
}

/// What an item has as output whose answer is a file.
pub(super) fn output(artifact: &Artifact) -> Result<Json, ItemError> {
    #[derive(Serialize)]
    struct Output<'a> {
        artifact: Described<'a>,
    }
    #[derive(Serialize)]
    struct Described<'a> {
        name: &'a str,
        bytes: u64,
        media_type: &'a str,
        sha256: &'a str,
    }
    let output = Output {
        artifact: Described {
            name: &artifact.name,
            bytes: artifact.bytes,
            media_type: &artifact.media_type,
            sha256: &artifact.sha256,
        },
    };
    Json::of(&output).map_err(|error| ItemError::new(ItemErrorKind::Output, error.to_string()))
}

/// `filename*` of RFC 8187, or `filename`.
fn filename(disposition: &str) -> Option<String> {
    let (mut plain, mut extended) = (None, None);
    for parameter in parameters(disposition) {
        let Some((name, value)) = parameter.split_once('=') else {
            continue;
        };
        match name.trim().to_ascii_lowercase().as_str() {
            "filename" => plain = Some(unquoted(value.trim())),
            "filename*" => extended = decoded(value.trim()),
            _ => {}
        }
    }
    extended.or(plain)
}

/// The parts between semicolons that are not within quotes.
fn parameters(text: &str) -> Vec<&str> {
    let (mut parts, mut from, mut quoted, mut escaped) = (Vec::new(), 0, false, false);
    for (at, c) in text.char_indices() {
        match c {
            '"' if !escaped => quoted = !quoted,
            ';' if !quoted => {
                parts.push(&text[from..at]);
                from = at + 1;
            }
            _ => {}
        }
        escaped = quoted && c == '\\' && !escaped;
    }
    parts.push(&text[from..]);
    parts
}

fn unquoted(value: &str) -> String {
    let Some(inner) = value.strip_prefix('"') else {
        return value.to_owned();
    };
    let (mut text, mut escaped) = (String::new(), false);
    for c in inner.chars() {
        match c {
            '\\' if !escaped => escaped = true,
            '"' if !escaped => break,
            c => {
                text.push(c);
                escaped = false;
            }
        }
    }
    text
}

/// `UTF-8''na%C3%AFve.txt`.
fn decoded(value: &str) -> Option<String> {
    let mut parts = value.splitn(3, '\'');
    let charset = parts.next()?;
    let text = parts.nth(1)?;
    if !charset.eq_ignore_ascii_case("utf-8") {
        return None;
    }
    let (mut bytes, mut rest) = (Vec::new(), text.as_bytes());
    while let [first, after @ ..] = rest {
        match (first, after) {
            (b'%', [high, low, after @ ..]) => {
                let digit = |byte: &u8| char::from(*byte).to_digit(16);
                bytes.push(u8::try_from(digit(high)? * 16 + digit(low)?).ok()?);
                rest = after;
            }
            (b'%', _) => return None,
            (byte, after) => {
                bytes.push(*byte);
                rest = after;
            }
        }
    }
    String::from_utf8(bytes).ok()
}

/// The last part of a path, without what no name may have; none where nothing is left.
fn safe(name: &str) -> Option<String> {
    let last = name.rsplit(['/', '\\']).next().unwrap_or_default();
    let mut kept: String = last.chars().filter(|c| !c.is_control()).collect();
    kept.truncate(kept.floor_char_boundary(MAX_PART));
    let kept = kept.trim();
    artifact::check_name(kept).is_ok().then(|| kept.to_owned())
}

#[cfg(test)]
mod tests {
    use reqwest::header::HeaderValue;

    use super::*;

    fn headers(media_type: &str, disposition: &[u8]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_str(media_type).unwrap());
        headers.insert(CONTENT_DISPOSITION, HeaderValue::from_bytes(disposition).unwrap());
        headers
    }

    #[test]
    fn what_says_nothing_may_be_json() {
        assert_eq!(Kind::of(&HeaderMap::new()), Kind::Unclear);
        for (media_type, kind) in [
            ("application/json", Kind::Json),
            ("Application/Problem+JSON; charset=utf-8", Kind::Json),
            ("text/plain; charset=utf-8", Kind::Unclear),
            ("text/html", Kind::Unclear),
            ("text/csv", Kind::File),
            ("application/x-ndjson", Kind::File),
            ("application/octet-stream", Kind::File),
        ] {
            assert_eq!(Kind::of(&headers(media_type, b"x")), kind, "{media_type}");
        }
        for body in ["", " \n", "{", " [1", "\"te", "-1.5e3", "true", "fals", "null\n"] {
            assert!(may_be_json(body.as_bytes()), "{body:?}");
        }
        for body in ["<html>", "text", "falsey", "2026-11-22 x", "%PDF", "\u{feff}{}"] {
            assert!(!may_be_json(body.as_bytes()), "{body:?}");
        }
    }

    #[test]
    fn a_response_names_its_file() {
        for (disposition, name) in [
            (&b"attachment; filename=\"report 7.png\""[..], "report 7.png"),
            (b"attachment; filename=plain.png", "plain.png"),
            (b"attachment; filename=\"a;b\\\"c.png\"; x=1", "a;b\"c.png"),
            (
                b"attachment; filename=\"x.png\"; filename*=UTF-8''na%C3%AFve.png",
                "na\u{ef}ve.png",
            ),
            (b"attachment; filename*=UTF-8''%zz; filename=\"ok.png\"", "ok.png"),
            (b"attachment; filename=\"../../etc/passwd\"", "passwd"),
            (b"attachment; filename=\"C:\\\\temp\\\\x.png\"", "x.png"),
            (b"attachment; filename=\"..\"", "body.png"),
            (b"attachment; filename*=UTF-8''a%00%0Ab.png", "ab.png"),
            (b"attachment; filename=\"\xc3\xbc.png\"", "ü.png"),
            (b"inline", "body.png"),
            (b"", "body.png"),
        ] {
            let (found, media_type) = described(&headers("image/png", disposition));
            assert_eq!(found, name, "{}", String::from_utf8_lossy(disposition));
            assert_eq!(media_type, "image/png");
        }
        let long = format!("attachment; filename=\"{}\"", "é".repeat(200));
        let (name, _) = described(&headers("image/png", long.as_bytes()));
        assert_eq!(name, "é".repeat(127));
        let (name, media_type) = described(&HeaderMap::new());
        assert_eq!((name.as_str(), media_type.as_str()), ("body.bin", UNKNOWN_TYPE));
    }
}

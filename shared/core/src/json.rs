//! A JSON text that is kept exactly as it was submitted.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// Valid JSON text: an item's input, a handler's output, a batch's metadata. Number formats, key order and duplicates
/// survive, because it is never parsed into a value and printed again.
#[derive(Clone, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Json(Box<RawValue>);

impl Json {
    /// Checks that `text` is one JSON value.
    ///
    /// # Errors
    /// The parser's own, with line and column.
    pub fn parse(text: impl Into<String>) -> serde_json::Result<Self> {
        RawValue::from_string(text.into()).map(Self)
    }

    /// Checks that `bytes` are UTF-8 and one JSON value.
    ///
    /// # Errors
    /// The parser's own, with line and column.
    pub fn parse_bytes(bytes: Vec<u8>) -> serde_json::Result<Self> {
        match String::from_utf8(bytes) {
            Ok(text) => Self::parse(text),
            Err(_) => Err(serde::de::Error::custom("not valid UTF-8")),
        }
    }

    /// Any serializable value as JSON text.
    ///
    /// # Errors
    /// Where the value has no JSON form (a map with keys that are not strings, say).
    pub fn of(value: &impl Serialize) -> serde_json::Result<Self> {
        serde_json::value::to_raw_value(value).map(Self)
    }

    /// A JSON string.
    #[must_use]
    pub fn string(text: &str) -> Self {
        Self::of(&text).unwrap_or_else(|_| Self::null())
    }

    /// `null`.
    #[must_use]
    pub fn null() -> Self {
        Self(RawValue::NULL.to_owned())
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.get()
    }

    /// Its length in bytes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.get().len()
    }

    /// Never true: the shortest JSON text has one byte.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        false
    }

    /// The text, without a copy.
    #[must_use]
    pub fn into_string(self) -> String {
        Box::<str>::from(self.0).into_string()
    }

    /// The same value on one line: text with line breaks loses the white space between its tokens. Numbers, key order
    /// and duplicates stay.
    #[must_use]
    pub fn compact(&self) -> Cow<'_, str> {
        // Inside strings JSON has no raw line breaks; a space alone is not worth a copy.
        if !self.as_str().contains(['\n', '\r']) {
            return Cow::Borrowed(self.as_str());
        }
        let (mut out, mut in_string, mut escaped) = (String::with_capacity(self.len()), false, false);
        for c in self.as_str().chars() {
            if in_string {
                in_string = escaped || c != '"';
                escaped = !escaped && c == '\\';
            } else if c.is_ascii_whitespace() {
                continue;
            } else {
                in_string = c == '"';
            }
            out.push(c);
        }
        Cow::Owned(out)
    }

    /// Reads it as a value of type `T`.
    ///
    /// # Errors
    /// Where it has another shape.
    pub fn to<'a, T: Deserialize<'a>>(&'a self) -> serde_json::Result<T> {
        serde_json::from_str(self.as_str())
    }
}

impl PartialEq for Json {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for Json {}

impl std::fmt::Debug for Json {
    /// Only the size: payloads never reach a log.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Json({} bytes)", self.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_the_submitted_text() {
        let text = r#"{"b":1.50,"a":1e400,"b":2}"#;
        assert_eq!(Json::parse(text).unwrap().as_str(), text);
        assert_eq!(format!("{:?}", Json::parse(text).unwrap()), "Json(26 bytes)");
        assert!(Json::parse("{} {}").is_err());
        assert!(Json::parse_bytes(vec![b'"', 0xff, b'"']).is_err());
    }

    #[test]
    fn one_line_is_the_same_value() {
        let json = Json::parse("{\n \"a b\": \"x \\\" \\\\\",\r\n\t\"n\": [1.50, 1e400 ]\n}").unwrap();
        assert_eq!(json.compact(), r#"{"a b":"x \" \\","n":[1.50,1e400]}"#);
        assert_eq!(Json::parse("[1, 2]").unwrap().compact(), "[1, 2]");
    }
}

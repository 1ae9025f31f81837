//! Looks fields up in an item.

use std::collections::BTreeMap;

use flotilla_core::Json;
use flotilla_core::outcome::{ItemError, ItemErrorKind};
use serde_json::value::RawValue;

/// What stands between the braces of a placeholder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Field {
    /// `{}`: the item itself.
    Whole,
    /// `{name}`, `{name.of.a.nested.one}`, `{list.0}`.
    Path(String),
}

impl Field {
    /// Reads what stands between braces.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let fine = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | ' ');
        let is_name = text.trim() == text && text.chars().all(fine);
        match text {
            "" => Some(Self::Whole),
            _ if is_name => Some(Self::Path(text.to_owned())),
            _ => None,
        }
    }

    /// Its value in `item` as text: a string's characters, any other value as JSON.
    pub(crate) fn text_in(&self, item: &Json) -> Result<String, ItemError> {
        let text = match self {
            Self::Whole => text_of(item.as_str()),
            Self::Path(path) => match find(item.as_str(), path) {
                Some(value) => text_of(value.get()),
                None => return Err(missing(path, item)),
            },
        };
        let what = || match self {
            Self::Whole => "the item".to_owned(),
            Self::Path(path) => format!("the item's field {path:?}"),
        };
        match text {
            Some(text) if text.contains('\0') => Err(invalid(format!(
                "{} contains a NUL character, which no argument of a command can: read it from stdin instead",
                what()
            ))),
            Some(text) => Ok(text),
            None => Err(invalid(format!(
                "{} is a string that is not valid Unicode",
                what()
            ))),
        }
    }
}

fn invalid(message: String) -> ItemError {
    ItemError::new(ItemErrorKind::Invalid, message)
}

/// The value at `path`. A key that contains dots itself wins over a nested one.
fn find<'a>(json: &'a str, path: &str) -> Option<&'a RawValue> {
    if let Ok(mut object) = serde_json::from_str::<BTreeMap<String, &'a RawValue>>(json) {
        return match object.remove(path) {
            Some(value) => Some(value),
            None => path
                .split_once('.')
                .and_then(|(first, rest)| find(object.remove(first)?.get(), rest)),
        };
    }
    let list: Vec<&'a RawValue> = serde_json::from_str(json).ok()?;
    match path.split_once('.') {
        None => list.get(path.parse::<usize>().ok()?).copied(),
        Some((first, rest)) => find(list.get(first.parse::<usize>().ok()?)?.get(), rest),
    }
}

/// `None` where it is a string with half a surrogate pair.
fn text_of(json: &str) -> Option<String> {
    if json.starts_with('"') {
        serde_json::from_str(json).ok()
    } else {
        let json = Json::parse(json).ok()?;
        Some(json.compact().into_owned())
    }
}

fn missing(path: &str, item: &Json) -> ItemError {
    /// More names than that help nobody.
    const SHOWN: usize = 20;
    let there = match item.to::<BTreeMap<String, &RawValue>>() {
        Err(_) => "is no object".to_owned(),
        Ok(object) if object.is_empty() => "has none".to_owned(),
        Ok(object) => {
            let mut names: Vec<_> = object
                .keys()
                .take(SHOWN)
                .map(|name| format!("{name:.60}"))
                .collect();
            if object.len() > SHOWN {
                names.push("…".to_owned());
            }
            format!("has {}", names.join(", "))
        }
    };
    invalid(format!(
        "the item has no field {path:?}, which the command needs: it {there}"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(path: &str, item: &str) -> Result<String, String> {
        let field = Field::parse(path).unwrap();
        field
            .text_in(&Json::parse(item).unwrap())
            .map_err(|error| error.message)
    }

    #[test]
    fn values_become_text() {
        let item = r#"{"s": "a \"b\"\n", "n": 1.50, "big": 1e400, "o": {"x": [true, {"y z": "deep"}]}, "a.b": 1, "null": null,
                       "list": [1,
                       2], "twice": 1, "twice": 2}"#;
        for (path, expected) in [
            ("s", "a \"b\"\n"),
            ("n", "1.50"),
            ("big", "1e400"),
            ("o.x.0", "true"),
            ("o.x.1.y z", "deep"),
            ("a.b", "1"),
            ("null", "null"),
            ("list", "[1,2]"),
            ("twice", "2"),
        ] {
            assert_eq!(text(path, item).as_deref(), Ok(expected), "{path}");
        }
        assert_eq!(text("", "\"plain\"").as_deref(), Ok("plain"));
        assert_eq!(text("", "[1, \"x\"]").as_deref(), Ok("[1, \"x\"]"));
        assert_eq!(text("1", "[1, \"x\"]").as_deref(), Ok("x"));
    }

    #[test]
    fn what_is_missing_is_named() {
        assert_eq!(
            text("path", r#"{"a": 1, "b": 2}"#).unwrap_err(),
            "the item has no field \"path\", which the command needs: it has a, b"
        );
        assert!(text("path", "3").unwrap_err().ends_with("it is no object"));
        assert!(text("a.x", r#"{"a": 1}"#).is_err());
        assert!(text("5", "[1]").is_err());
    }

    #[test]
    fn what_no_argument_can_hold_is_refused() {
        assert!(text("a", r#"{"a": "x\u0000y"}"#).unwrap_err().contains("NUL"));
        assert!(text("a", r#"{"a": "\ud800"}"#).unwrap_err().contains("Unicode"));
    }

    #[test]
    fn names_are_told_from_other_text_in_braces() {
        for name in ["path", "a.b.0", "First Name", "größe", "_x-y"] {
            assert_eq!(Field::parse(name), Some(Field::Path(name.into())));
        }
        for other in [" path", "print $1", "a:b", "\"a\"", "a\n", " "] {
            assert_eq!(Field::parse(other), None, "{other:?}");
        }
    }
}

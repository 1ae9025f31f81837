//! What is wrong with the items of an upload, a line for each.

use std::fmt::Write;

use super::{number, text};
use crate::client::view::ItemError;

/// Errors that are shown.
const SHOWN: usize = 20;
/// The longest of them, in characters.
const LONGEST: usize = 300;

/// A line for each of the first of them, and how many more there are. `total` counts those, too, that the server left out.
pub(crate) fn describe(errors: &[ItemError], total: Option<u64>) -> String {
    let mut out = String::new();
    for error in errors.iter().take(SHOWN) {
        // Writing to a String can't fail, here and below.
        let _ = writeln!(out, "  {}", line(error));
    }
    let total = total.unwrap_or_default().max(errors.len() as u64);
    let more = total - errors.len().min(SHOWN) as u64;
    if more > 0 {
        let _ = writeln!(out, "  and {} more", number::grouped(more));
    }
    out
}

/// `line 17, item 15, /age: must be an integer`.
fn line(error: &ItemError) -> String {
    let pointer = error.pointer.as_deref().filter(|pointer| !pointer.is_empty());
    let parts = [
        error.line.map(|line| format!("line {line}")),
        error.item.map(|item| format!("item {item}")),
        pointer.map(str::to_owned),
    ];
    let place: Vec<String> = parts.into_iter().flatten().collect();
    let what = match (&error.expected, error.detail.is_empty()) {
        (Some(serde_json::Value::String(expected)), true) => format!("expected {expected}"),
        (Some(expected), true) => format!("expected {expected}"),
        _ => error.detail.clone(),
    };
    let colon = if place.is_empty() { "" } else { ": " };
    text::clean(&format!("{}{colon}{what}", place.join(", ")), LONGEST)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_first_of_many_are_shown() {
        let errors: Vec<ItemError> = (0..100)
            .map(|n| {
                serde_json::from_value(
                    json!({"item": n, "line": n + 2, "pointer": "/age", "detail": "must be\nan integer"}),
                )
            })
            .collect::<Result<_, _>>()
            .unwrap();
        let text = describe(&errors, Some(1_234));
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[15], "  line 17, item 15, /age: must be an integer");
        assert_eq!((lines.len(), lines[20]), (21, "  and 1,214 more"));
        assert_eq!(describe(&errors[..20], None).lines().count(), 20);
    }

    #[test]
    fn what_is_not_known_is_left_out() {
        let error = |json| line(&serde_json::from_value::<ItemError>(json).unwrap());
        assert_eq!(
            error(json!({"line": 3, "expected": {"type": "integer"}})),
            r#"line 3: expected {"type":"integer"}"#
        );
        assert_eq!(error(json!({"detail": "\u{1b}[2Jodd", "pointer": ""})), "[2Jodd");
    }
}

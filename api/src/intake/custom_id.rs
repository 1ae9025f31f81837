//! The producer's own name for an item, found in the item itself.

use std::sync::LazyLock;

use flotilla_core::Json;
use memchr::memmem::Finder;
use serde::Deserialize;
use serde_json::value::RawValue;

/// The longest one, in bytes: it is indexed.
const MAX_BYTES: usize = 512;

static QUOTED: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new("\"custom_id\""));

#[derive(Deserialize)]
struct Named<'a> {
    #[serde(borrow)]
    custom_id: &'a RawValue,
}

/// The `custom_id` of an item that is an object which has one that is a text, and not an empty one.
pub(crate) fn find(input: &Json) -> Option<String> {
    // Most items have none: a search costs a fraction of a parse.
    QUOTED.find(input.as_str().as_bytes())?;
    // Serde takes a list for an object whose fields are in order.
    if !input.as_str().trim_start().starts_with('{') {
        return None;
    }
    let named: Named<'_> = input.to().ok()?;
    let id: String = serde_json::from_str(named.custom_id.get()).ok()?;
    (!id.is_empty()).then_some(id)
}

/// Whether it can be stored.
pub(crate) fn check(id: &str) -> Result<(), String> {
    if id.len() > MAX_BYTES {
        Err(format!("its custom_id is longer than {MAX_BYTES} bytes"))
    } else if id.contains('\0') {
        Err("its custom_id contains a zero byte".into())
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_string_at_the_top_is_one() {
        let find = |text: &str| find(&Json::parse(text).unwrap());
        assert_eq!(find(r#"{"a": 1, "custom_id": "x\n1"}"#).as_deref(), Some("x\n1"));
        for none in [
            r#"{"custom_id": 7}"#,
            r#"{"custom_id": null}"#,
            r#"{"custom_id": ""}"#,
            r#"{"a": {"custom_id": "x"}}"#,
            r#"["custom_id", "x"]"#,
            r#"["custom_id"]"#,
            r#""custom_id""#,
            r#"{"a": "\"custom_id\""}"#,
        ] {
            assert_eq!(find(none), None, "{none}");
        }
    }
}

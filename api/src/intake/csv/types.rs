//! What the texts of a table are in JSON, as a schema of its items wants them.

use serde_json::Value as Schema;
use serde_json::value::RawValue;

/// How many `$ref`, `anyOf` and `oneOf` are followed from a property to its types.
const STEPS: u8 = 2;

/// The types of fields, in their order.
#[derive(Debug)]
pub(super) struct Types(Vec<Kind>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Nothing to decide.
    Text,
    OneOf(Allowed),
}

/// What a field may be.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Allowed {
    text: bool,
    integer: bool,
    number: bool,
    boolean: bool,
    object: bool,
    array: bool,
    null: bool,
    required: bool,
}

/// A field in JSON.
#[derive(Debug, Clone, Copy)]
pub(super) enum Value<'a> {
    Text(&'a str),
    /// A JSON text, as it is.
    Json(&'a RawValue),
    Bool(bool),
    Null,
    /// The item does not have it.
    Absent,
}

impl Types {
    /// The types of the fields of these names. `schema` is that of an item, an object; a name that it does not know, or
    /// says no type of, is a text.
    pub(super) fn of(schema: Option<&Schema>, names: &[String]) -> Self {
        let item = schema.map(|root| (root, target(root, root).unwrap_or(root)));
        let kind = |name: &String| {
            let (root, item) = item?;
            let property = item.get("properties")?.get(name)?;
            let mut allowed = Allowed::default();
            allowed.add(root, property, STEPS);
            let required = item.get("required").and_then(Schema::as_array);
            allowed.required = required.is_some_and(|required| required.iter().any(|field| field == name));
            let only_text = Allowed {
                text: true,
                required: allowed.required,
                ..Allowed::default()
            };
            (allowed != only_text).then_some(Kind::OneOf(allowed))
        };
        Self(
            names
                .iter()
                .map(|name| kind(name).unwrap_or(Kind::Text))
                .collect(),
        )
    }

    /// What `text` is in the field of this index: what the schema allows, where it can be that as it is written. A text that
    /// fits nothing stays one, so that a check against the schema says what was expected.
    pub(super) fn value<'a>(&self, index: usize, text: &'a str) -> Value<'a> {
        match self.0.get(index) {
            Some(Kind::OneOf(allowed)) => allowed.value(text),
            _ => Value::Text(text),
        }
    }
}

impl Allowed {
    /// Adds what `schema` allows.
    fn add(&mut self, root: &Schema, schema: &Schema, steps: u8) {
        let alternatives = ["anyOf", "oneOf"]
            .iter()
            .find_map(|of| schema.get(of)?.as_array());
        match (schema.get("type"), alternatives, target(root, schema)) {
            (Some(Schema::String(name)), ..) => self.add_type(name),
            (Some(Schema::Array(names)), ..) => {
                names
                    .iter()
                    .filter_map(Schema::as_str)
                    .for_each(|name| self.add_type(name));
            }
            (_, Some(alternatives), _) if steps > 0 => {
                alternatives
                    .iter()
                    .for_each(|schema| self.add(root, schema, steps - 1));
            }
            (_, _, Some(target)) if steps > 0 => self.add(root, target, steps - 1),
            // Anything may come, and what comes is a text.
            _ => self.text = true,
        }
    }

    fn add_type(&mut self, name: &str) {
        match name {
            "integer" => self.integer = true,
            "number" => self.number = true,
            "boolean" => self.boolean = true,
            "object" => self.object = true,
            "array" => self.array = true,
            "null" => self.null = true,
            _ => self.text = true,
        }
    }

    fn value(self, text: &str) -> Value<'_> {
        let trimmed = text.trim();
        let is_empty = if self.text {
            text.is_empty()
        } else {
            trimmed.is_empty()
        };
        if is_empty {
            return match self {
                Self { null: true, .. } => Value::Null,
                Self {
                    text: false,
                    required: false,
                    ..
                } => Value::Absent,
                _ => Value::Text(""),
            };
        }
        let may_be_json = match trimmed.as_bytes().first() {
            Some(b'-' | b'0'..=b'9') => self.number || (self.integer && is_whole(trimmed)),
            Some(b'{') => self.object,
            Some(b'[') => self.array,
            _ => false,
        };
        if may_be_json && let Ok(json) = serde_json::from_str(trimmed) {
            return Value::Json(json);
        }
        match self.boolean {
            true if trimmed.eq_ignore_ascii_case("true") => Value::Bool(true),
            true if trimmed.eq_ignore_ascii_case("false") => Value::Bool(false),
            _ => Value::Text(text),
        }
    }
}

/// True where a number has no fraction, or one that is nothing: `3.0` is an integer to JSON Schema.
fn is_whole(number: &str) -> bool {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    !whole.contains(['e', 'E']) && fraction.bytes().all(|digit| digit == b'0')
}

/// What a schema refers to, where that is among the definitions of `root`.
fn target<'a>(root: &'a Schema, schema: &Schema) -> Option<&'a Schema> {
    let pointer = schema.get("$ref")?.as_str()?.strip_prefix('#')?;
    let is_definition = pointer.starts_with("/$defs/") || pointer.starts_with("/definitions/");
    root.pointer(pointer).filter(|_| is_definition)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// What the texts become in a field of this schema, as JSON; `-` is absent.
    fn all(property: &Schema, required: bool, texts: &[&str]) -> Vec<String> {
        let schema = json!({
            "type": "object",
            "properties": {"f": property},
            "required": if required { vec!["f"] } else { vec![] },
            "$defs": {"count": {"type": "integer"}, "maybe": {"anyOf": [{"type": "boolean"}, {"type": "null"}]}},
        });
        let types = Types::of(Some(&schema), &["f".to_owned()]);
        let shown = |text: &&str| match types.value(0, text) {
            Value::Text(text) => json!(text).to_string(),
            Value::Json(json) => json.get().to_owned(),
            Value::Bool(bool) => bool.to_string(),
            Value::Null => "null".to_owned(),
            Value::Absent => "-".to_owned(),
        };
        texts.iter().map(shown).collect()
    }

    #[test]
    fn numbers_keep_their_digits() {
        assert_eq!(
            all(
                &json!({"type": "number"}),
                false,
                &["1.50", " -0 ", "1e400", "123456789012345678901234567890"]
            ),
            ["1.50", "-0", "1e400", "123456789012345678901234567890"]
        );
        assert_eq!(
            all(
                &json!({"type": "number"}),
                false,
                &["007", "+1", ".5", "1,5", "NaN", "1 2", "-", "0x1", "1."]
            ),
            [
                r#""007""#, r#""+1""#, r#"".5""#, r#""1,5""#, r#""NaN""#, r#""1 2""#, r#""-""#, r#""0x1""#,
                r#""1.""#
            ]
        );
        assert_eq!(
            all(
                &json!({"type": "integer"}),
                false,
                &["12", "\t-7\u{a0}", "3.0", "3.5", "1e3", "3.", "3.0e1"]
            ),
            ["12", "-7", "3.0", r#""3.5""#, r#""1e3""#, r#""3.""#, r#""3.0e1""#]
        );
    }

    #[test]
    fn other_types() {
        assert_eq!(
            all(
                &json!({"type": "boolean"}),
                false,
                &["true", "FALSE", " True ", "yes", "1"]
            ),
            ["true", "false", "true", r#""yes""#, r#""1""#]
        );
        assert_eq!(
            all(
                &json!({"type": ["object", "array"]}),
                false,
                &[r#" {"a": 1.50} "#, "[1, 2]", "{a: 1}", "[1", "7"]
            ),
            [r#"{"a": 1.50}"#, "[1, 2]", r#""{a: 1}""#, r#""[1""#, r#""7""#]
        );
        assert_eq!(all(&json!({"type": "object"}), false, &["[]"]), [r#""[]""#]);
        assert_eq!(
            all(&json!({"type": ["integer", "string"]}), false, &["7", "x", " "]),
            ["7", r#""x""#, r#"" ""#]
        );
        for text in [
            json!({"type": "string"}),
            json!({}),
            json!(true),
            json!({"enum": [1]}),
        ] {
            assert_eq!(
                all(&text, true, &["1", "", " x "]),
                [r#""1""#, r#""""#, r#"" x ""#]
            );
        }
    }

    #[test]
    fn an_empty_field_is_what_may_be_empty() {
        for (property, required, expected) in [
            (json!({"type": ["number", "null"]}), true, "null"),
            (json!({"type": ["string", "null"]}), false, "null"),
            (json!({"type": "number"}), false, "-"),
            (json!({"type": "number"}), true, r#""""#),
            (json!({"type": ["number", "string"]}), false, r#""""#),
            (json!({"type": "string"}), false, r#""""#),
        ] {
            assert_eq!(
                all(&property, required, &[""]),
                [expected],
                "{property} {required}"
            );
        }
        assert_eq!(all(&json!({"type": "number"}), false, &["  "]), ["-"]);
        assert_eq!(
            all(&json!({"type": ["string", "null"]}), false, &["  "]),
            [r#""  ""#]
        );
    }

    #[test]
    fn definitions_and_alternatives_are_followed() {
        for property in [
            json!({"$ref": "#/$defs/count"}),
            json!({"anyOf": [{"$ref": "#/$defs/count"}, {"type": "null"}]}),
            json!({"oneOf": [{"type": "integer"}, {"type": "boolean"}]}),
        ] {
            assert_eq!(all(&property, false, &["7"]), ["7"], "{property}");
        }
        assert_eq!(
            all(&json!({"$ref": "#/$defs/maybe"}), false, &["true", ""]),
            ["true", "null"]
        );
        for property in [
            json!({"$ref": "https://example.org/count"}),
            json!({"$ref": "#/properties/f"}),
            json!({"$ref": "#/$defs/nothing"}),
        ] {
            assert_eq!(all(&property, false, &["7"]), [r#""7""#], "{property}");
        }
        let root = json!({"$ref": "#/definitions/item", "definitions": {"item": {"properties": {"f": {"type": "integer"}}}}});
        let types = Types::of(Some(&root), &["f".to_owned()]);
        assert!(matches!(types.value(0, "7"), Value::Json(_)));
        assert!(matches!(types.value(1, "7"), Value::Text("7")));
    }
}

//! `application/json`: one object with options and `items`, in any order. Items are taken one by one as they stream by.

use std::fmt;
use std::io::{BufReader, Read};

use flotilla_core::Json;
use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};

use super::gauge::Gauge;
use super::{Chunker, Options, read_failed};
use crate::problem::{Kind, Problem};

/// The longest field other than `items`, with its name.
const MAX_FIELD_BYTES: usize = 64 << 10;

/// Reads a whole body.
pub(crate) fn parse(
    body: impl Read,
    options: &mut Options,
    chunker: &mut Chunker<'_>,
) -> Result<(), Problem> {
    let mut upload = Upload {
        options,
        chunker,
        gauge: Gauge::default(),
        items: Items::Awaited,
        problem: None,
    };
    // The gauge is on top of the buffer: it sees exactly what the parser consumes.
    let reader = upload.gauge.over(BufReader::with_capacity(64 << 10, body));
    let mut json = serde_json::Deserializer::from_reader(reader);
    upload.gauge.allow(MAX_FIELD_BYTES);
    let read = json.deserialize_any(&mut upload).and_then(|()| {
        upload.gauge.allow_value(MAX_FIELD_BYTES);
        json.end()
    });
    read.map_err(|error| upload.explain(error))?;
    if upload.items == Items::Awaited {
        return Err(Problem::new(
            Kind::MissingField,
            "`items` is missing: an array with the inputs of the batch",
        )
        .with("field", "items"));
    }
    upload.options.check_complete()
}

struct Upload<'u, 'a> {
    options: &'u mut Options,
    chunker: &'u mut Chunker<'a>,
    gauge: Gauge,
    items: Items,
    /// Why reading was stopped: serde's own errors carry only text.
    problem: Option<Problem>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Items {
    Awaited,
    Streaming,
    Read,
}

impl Upload<'_, '_> {
    fn stop<E: serde::de::Error>(&mut self, problem: Problem) -> E {
        self.problem = Some(problem);
        E::custom("stopped")
    }

    /// The problem behind an error of the parser.
    fn explain(&mut self, error: serde_json::Error) -> Problem {
        let (line, column) = (error.line(), error.column());
        let problem = if let Some(problem) = self.problem.take() {
            problem
        } else if self.gauge.is_overrun() {
            self.too_long()
        } else if error.is_io() {
            return read_failed(error.into());
        } else {
            self.describe(&error)
        };
        problem.with("line", line).with("column", column)
    }

    fn too_long(&self) -> Problem {
        if self.items == Items::Streaming {
            return self.chunker.too_large();
        }
        let detail = format!("a field other than `items` has more than {MAX_FIELD_BYTES} bytes");
        Problem::new(Kind::InvalidField, detail).with("limit", MAX_FIELD_BYTES)
    }

    fn describe(&self, error: &serde_json::Error) -> Problem {
        let kind = match error.classify() {
            serde_json::error::Category::Eof => Kind::TruncatedBody,
            serde_json::error::Category::Data => Kind::InvalidField,
            _ => Kind::InvalidJson,
        };
        if self.items == Items::Streaming {
            let index = self.chunker.position();
            return Problem::new(kind, format!("item {index}: {error}")).with("item", index);
        }
        Problem::new(kind, error.to_string())
    }
}

/// The object.
impl<'de> Visitor<'de> for &mut Upload<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with `items` (items alone can be sent as application/x-ndjson)")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(field) = map.next_key::<String>()? {
            if field == "items" {
                if self.items != Items::Awaited {
                    return Err(A::Error::custom("`items` is given more than once"));
                }
                self.items = Items::Streaming;
                map.next_value_seed(ItemsSeed(self))?;
                self.items = Items::Read;
            } else {
                if !self.options.knows(&field) {
                    // Refused by its name: its value is of no interest.
                    let refused = self.options.set(&field, &Json::null());
                    return Err(self.stop(
                        refused
                            .err()
                            .unwrap_or_else(|| Problem::internal("a field is lost")),
                    ));
                }
                let value: Json = map.next_value()?;
                let set = self.options.set(&field, &value);
                set.map_err(|problem| self.stop(problem))?;
            }
            self.gauge.allow_value(MAX_FIELD_BYTES);
        }
        Ok(())
    }
}

/// The array under `items`.
struct ItemsSeed<'s, 'u, 'a>(&'s mut Upload<'u, 'a>);

impl<'de> DeserializeSeed<'de> for ItemsSeed<'_, '_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for ItemsSeed<'_, '_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of items")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        let Self(upload) = self;
        // One more, because a parser looks at the byte after a number.
        let longest = upload.chunker.max_item_bytes() + 1;
        loop {
            upload.gauge.allow_value(longest);
            let Some(item) = seq.next_element::<Json>()? else {
                return Ok(());
            };
            let pushed = upload.chunker.push(item, None, upload.options);
            pushed.map_err(|problem| upload.stop(problem))?;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Format;
    use super::super::chunk::tests::items_of;
    use super::super::options::tests::options;

    fn problem(body: &str) -> String {
        let one = items_of(Format::Json, body.as_bytes(), options(), 1).unwrap_err();
        let all = items_of(Format::Json, body.as_bytes(), options(), usize::MAX).unwrap_err();
        assert_eq!(format!("{one:?}"), format!("{all:?}"));
        format!("{one:?}")
    }

    #[test]
    fn fields_come_in_any_order() {
        for body in [
            r#"{"job_type": "echo", "name": "n", "items": [1, {"custom_id": "a"} , "x"]}"#,
            "\u{feff} {\"items\":[1,{\"custom_id\": \"a\"},\"x\"],\"name\":\"n\",\"space\":null,\"job_type\":\"echo\"} ",
        ] {
            let (items, options) = items_of(Format::Json, body.as_bytes(), options(), 1).unwrap();
            let inputs: Vec<_> = items.iter().map(|item| item.input.as_str()).collect();
            assert_eq!(inputs, ["1", r#"{"custom_id": "a"}"#, r#""x""#]);
            assert_eq!(items[1].custom_id.as_deref(), Some("a"));
            assert_eq!(options.into_spec(None).unwrap().name.as_deref(), Some("n"));
        }
    }

    #[test]
    fn what_is_wrong_is_located() {
        for (body, parts) in [
            (
                "{\"job_type\": \"echo\", \"items\": [1,\n tru]}",
                &["InvalidJson", "item 1", "\"line\": Number(2)"][..],
            ),
            (
                r#"{"job_type": "echo", "items": [1, 2"#,
                &["TruncatedBody", "\"item\": Number(2)"],
            ),
            (
                r#"{"job_type": "echo", "items": {}}"#,
                &["InvalidField", "expected an array of items"],
            ),
            (
                r#"{"job_type": "echo", "items": [1], "items": []}"#,
                &["more than once"],
            ),
            (
                r#"{"job_type": "echo", "items": [1]} x"#,
                &["InvalidJson", "trailing characters"],
            ),
            (r#"{"job_type": "echo"}"#, &["MissingField", "`items`"]),
            (r#"{"items": []}"#, &["MissingField", "job_type"]),
            (r#"[1]"#, &["InvalidField", "application/x-ndjson"]),
            (
                r#"{"job_type": "ehco", "items": "never read"#,
                &["UnknownJobType", "\"known\": Array"],
            ),
            (
                r#"{"items": [], "job_typ": "never read"#,
                &["UnknownField", "\"items\""],
            ),
            ("", &["TruncatedBody"]),
        ] {
            let problem = problem(body);
            assert!(
                parts.iter().all(|part| problem.contains(part)),
                "{body}: {problem}"
            );
        }
    }

    #[test]
    fn an_endless_value_is_cut_off() {
        let item = format!(r#"{{"job_type": "echo", "items": [7, "{}"#, "x".repeat(1_000_000));
        assert!(problem(&item).contains("item 1 is longer than 1000 bytes"));
        let just = format!(
            r#"{{"job_type": "echo", "items": [7,{}"{}"]}}"#,
            " ".repeat(5_000),
            "x".repeat(998)
        );
        assert_eq!(
            items_of(Format::Json, just.as_bytes(), options(), 7)
                .unwrap()
                .0
                .len(),
            2
        );
        let over = just.replace("x\"", "xx\"");
        assert!(problem(&over).contains("ItemTooLarge"));
        let field = format!(r#"{{"{}"#, "x".repeat(1_000_000));
        assert!(problem(&field).contains("a field other than `items`"));
    }
}

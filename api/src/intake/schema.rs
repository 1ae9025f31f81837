//! Checks items against the JSON Schema of their job type.

use std::collections::HashMap;
use std::sync::Arc;

use flotilla_core::job_type::JobTypes;
use flotilla_core::{Error, Json};
use jsonschema::{PatternOptions, ValidationError, Validator};
use serde_json::{Value, json};

const ENGINE: &str = "configuration";

/// What is told of a mistake, in bytes: it may quote the item.
const MAX_DETAIL: usize = 300;

/// Of one item, so many mistakes are told.
const MAX_VIOLATIONS: usize = 20;

/// The schemas of all job types that have one, compiled.
#[derive(Debug, Clone, Default)]
pub struct Schemas(HashMap<String, Arc<Schema>>);

/// A compiled schema.
#[derive(Debug)]
pub(crate) struct Schema {
    validator: Validator,
    document: Value,
}

/// A place where an item is not as its schema says.
#[derive(Debug, PartialEq)]
pub(crate) struct Violation {
    /// Where in the item: a JSON pointer; empty for the whole.
    pub(crate) pointer: String,
    /// What is wrong, in words.
    pub(crate) detail: String,
    /// What the schema says there, with the keyword: `{"type": "integer"}`.
    pub(crate) expected: Value,
}

impl Schemas {
    /// Compiles the schemas of `job_types`. They stand alone: no reference leads out of them.
    ///
    /// # Errors
    /// The first schema that can't be used, and why.
    pub fn compile(job_types: &JobTypes) -> Result<Self, Error> {
        let mut schemas = HashMap::new();
        for (name, job_type) in job_types.iter() {
            let Some(schema) = &job_type.schema else {
                continue;
            };
            let schema = schema
                .document()
                .ok_or_else(|| "its file was not read".to_owned())
                .and_then(Schema::compile)
                .map_err(|why| Error::misconfigured(ENGINE, format!("job_types.{name}.schema: {why}")))?;
            schemas.insert(name.to_owned(), Arc::new(schema));
        }
        Ok(Self(schemas))
    }

    /// True where no job type has one.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// That of a job type.
    pub(crate) fn of(&self, job_type: &str) -> Option<&Arc<Schema>> {
        self.0.get(job_type)
    }
}

impl Schema {
    fn compile(document: Value) -> Result<Self, String> {
        // Patterns are matched in linear time, whatever an item contains.
        let options = jsonschema::options()
            .offline()
            .should_validate_formats(true)
            .with_pattern_options(PatternOptions::regex());
        let validator = options
            .build(&document)
            .map_err(|error| format!("at {:?}: {error}", error.instance_path().as_str()))?;
        Ok(Self { validator, document })
    }

    /// The schema as it was written.
    pub(crate) fn document(&self) -> &Value {
        &self.document
    }

    /// What is wrong with an item; nothing, where it is as it should be.
    pub(crate) fn violations(&self, item: &Json) -> Vec<Violation> {
        let value: Value = match item.to() {
            Ok(value) => value,
            // It is JSON: it has a number that no type of this program can hold.
            Err(error) => {
                return vec![Violation {
                    pointer: String::new(),
                    detail: format!("can't be checked: {error}"),
                    expected: Value::Null,
                }];
            }
        };
        if self.validator.is_valid(&value) {
            return Vec::new();
        }
        let errors = self.validator.iter_errors(&value);
        errors
            .take(MAX_VIOLATIONS)
            .map(|error| self.violation(&error))
            .collect()
    }

    fn violation(&self, error: &ValidationError<'_>) -> Violation {
        let mut detail = error.to_string();
        if detail.len() > MAX_DETAIL {
            // The value that is quoted is the producer's own, and may be long; what is expected stands behind it.
            detail = error.masked_with("the value").to_string();
            detail.truncate(detail.floor_char_boundary(MAX_DETAIL));
        }
        let keyword = error.kind().keyword();
        let rule = self.document.pointer(error.schema_path().as_str());
        Violation {
            pointer: error.instance_path().as_str().to_owned(),
            detail,
            expected: rule.map_or(Value::Null, |rule| json!({ keyword: rule })),
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use flotilla_core::job_type::{HandlerSpec, JobType};
    use flotilla_core::schema::ItemSchema;

    use super::*;

    /// A job type `typed` with this schema.
    pub(crate) fn typed(schema: &str) -> JobTypes {
        let mut job_type = JobType::new(HandlerSpec::Echo {});
        job_type.schema = Some(ItemSchema::Inline(serde_json::from_str(schema).unwrap()));
        let mut types = JobTypes::builtin();
        types.insert("typed", job_type);
        types
    }

    fn violations(schema: &str, item: &str) -> Vec<Violation> {
        let schemas = Schemas::compile(&typed(schema)).unwrap();
        schemas
            .of("typed")
            .unwrap()
            .violations(&Json::parse(item).unwrap())
    }

    #[test]
    fn mistakes_are_told_with_place_and_expectation() {
        let schema = r##"{
            "type": "object", "required": ["url"], "additionalProperties": false,
            "properties": {
                "url": {"type": "string", "pattern": "^https?://"},
                "size": {"$ref": "#/$defs/size"},
                "tags": {"type": "array", "items": {"enum": ["a", "b"]}}
            },
            "$defs": {"size": {"type": "integer", "minimum": 1}}
        }"##;
        assert_eq!(
            violations(schema, r#"{"url": "http://x", "size": 3, "tags": ["a"]}"#),
            []
        );
        let found = violations(
            schema,
            r#"{"url": "ftp://x", "size": 0, "tags": ["a", "c"], "x": 1}"#,
        );
        let mut told: Vec<(&str, Value)> = found
            .iter()
            .map(|found| (found.pointer.as_str(), found.expected.clone()))
            .collect();
        told.sort_by_key(|(pointer, _)| *pointer);
        assert_eq!(
            told,
            [
                ("", json!({"additionalProperties": false})),
                ("/size", json!({"minimum": 1})),
                ("/tags/1", json!({"enum": ["a", "b"]})),
                ("/url", json!({"pattern": "^https?://"})),
            ]
        );
        let missing = violations(schema, "{}");
        assert_eq!(missing[0].expected, json!({"required": ["url"]}));
    }

    #[test]
    fn long_values_are_not_quoted() {
        let item = format!("\"{}\"", "é".repeat(10_000));
        let found = violations(r#"{"type": "integer"}"#, &item);
        assert!(found[0].detail.len() <= MAX_DETAIL, "{}", found[0].detail);
        assert!(found[0].detail.contains("integer"), "{}", found[0].detail);
    }

    #[test]
    fn a_schema_that_can_not_be_used_is_refused() {
        for (schema, part) in [
            (r#"{"type": "integr"}"#, "typed"),
            (r#"{"pattern": "("}"#, "typed"),
            (r#"{"$ref": "http://127.0.0.1:1/x.json"}"#, "typed"),
        ] {
            let error = Schemas::compile(&typed(schema)).unwrap_err().to_string();
            assert!(error.contains(part), "{schema}: {error}");
        }
    }
}

//! What a batch is to do: from fields of the JSON body or from parameters of the query, with the same checks.

mod query;

use std::sync::Arc;

use flotilla_core::job_type::JobTypes;
use flotilla_core::{BatchSpec, Json, Space};
use serde::de::DeserializeOwned;

use crate::problem::{Kind, Problem};

/// The fields that say what a batch is to do.
pub(crate) const FIELDS: [&str; 6] = ["space", "name", "job_type", "priority", "concurrency", "metadata"];

const MAX_NAME_CHARS: usize = 200;
const MAX_METADATA_BYTES: usize = 16 << 10;
const MAX_CONCURRENCY: u32 = 1_000_000;

/// Options, as far as they are known. Each is checked when it arrives, so that a refusal comes before the items.
#[derive(Debug, Clone)]
pub(crate) struct Options {
    job_types: Arc<JobTypes>,
    /// The tenant, where it was said.
    pub(crate) space: Option<Space>,
    name: Option<String>,
    job_type: Option<String>,
    priority: i16,
    concurrency: Option<u32>,
    metadata: Option<Json>,
}

impl Options {
    /// Nothing said yet, except perhaps the space.
    pub(crate) fn new(job_types: Arc<JobTypes>, space: Option<Space>) -> Self {
        Self {
            job_types,
            space,
            name: None,
            job_type: None,
            priority: 0,
            concurrency: None,
            metadata: None,
        }
    }

    /// Takes a field of a JSON body. `null` says nothing.
    ///
    /// # Errors
    /// Where there is no such field or it can't have this value.
    pub(crate) fn set(&mut self, field: &str, value: &Json) -> Result<(), Problem> {
        if value.as_str() == "null" && FIELDS.contains(&field) {
            return Ok(());
        }
        match field {
            "space" => self.set_space(&read::<String>(field, value, "a text")?),
            "name" => self.set_name(read(field, value, "a text")?),
            "job_type" => self.set_job_type(read(field, value, "a text")?),
            "priority" => self.set_priority(read(field, value, "a whole number from -100 to 100")?),
            "concurrency" => self.set_concurrency(read(field, value, "a whole number from 1 on")?),
            "metadata" => self.set_metadata(value),
            _ => Err(unknown(field, &["items"])),
        }
    }

    /// Checks that nothing is missing.
    ///
    /// # Errors
    /// Where it is.
    pub(crate) fn require_job_type(&self) -> Result<&str, Problem> {
        self.job_type.as_deref().ok_or_else(|| {
            Problem::new(
                Kind::MissingField,
                format!(
                    "`job_type` is missing; known are: {}",
                    self.known_job_types().join(", ")
                ),
            )
            .with("field", "job_type")
            .with("known", self.known_job_types())
        })
    }

    /// What the batch is to do.
    ///
    /// # Errors
    /// Where no job type was named.
    pub(crate) fn into_spec(self, traceparent: Option<String>) -> Result<BatchSpec, Problem> {
        let name = self.require_job_type()?;
        let Some(job_type) = self.job_types.get(name) else {
            return Err(self.unknown_job_type(name));
        };
        Ok(BatchSpec {
            name: self.name.clone(),
            job_type: name.to_owned(),
            pool: job_type.pool.clone(),
            priority: self.priority,
            concurrency: self.concurrency,
            max_attempts: job_type.max_attempts,
            timeout: job_type.timeout,
            metadata: self.metadata.clone(),
            traceparent,
        })
    }

    fn set_space(&mut self, text: &str) -> Result<(), Problem> {
        let space: Space = text
            .parse()
            .map_err(|error| invalid_because("space", &format!("{error}")))?;
        match &self.space {
            Some(named) if *named != space => Err(Problem::new(
                Kind::SpaceMismatch,
                format!("the query says the space is {named}, the body says {space}"),
            )
            .with("field", "space")),
            _ => {
                self.space = Some(space);
                Ok(())
            }
        }
    }

    fn set_name(&mut self, name: String) -> Result<(), Problem> {
        if name.chars().count() > MAX_NAME_CHARS || name.contains(char::is_control) {
            let detail = format!("must have at most {MAX_NAME_CHARS} characters and no control characters");
            return Err(invalid("name", &detail));
        }
        self.name = Some(name);
        Ok(())
    }

    fn set_job_type(&mut self, name: String) -> Result<(), Problem> {
        if self.job_types.get(&name).is_none() {
            return Err(self.unknown_job_type(&name));
        }
        self.job_type = Some(name);
        Ok(())
    }

    fn set_priority(&mut self, priority: i16) -> Result<(), Problem> {
        if !(-100..=100).contains(&priority) {
            return Err(invalid(
                "priority",
                &format!("must be between -100 and 100, not {priority}"),
            ));
        }
        self.priority = priority;
        Ok(())
    }

    fn set_concurrency(&mut self, concurrency: u32) -> Result<(), Problem> {
        if !(1..=MAX_CONCURRENCY).contains(&concurrency) {
            let detail = format!("must be between 1 and {MAX_CONCURRENCY}, not {concurrency}");
            return Err(invalid("concurrency", &detail));
        }
        self.concurrency = Some(concurrency);
        Ok(())
    }

    fn set_metadata(&mut self, value: &Json) -> Result<(), Problem> {
        if !value.as_str().starts_with('{') || value.len() > MAX_METADATA_BYTES {
            let detail = format!("must be a JSON object of at most {MAX_METADATA_BYTES} bytes");
            return Err(invalid("metadata", &detail));
        }
        self.metadata = Some(value.clone());
        Ok(())
    }

    fn known_job_types(&self) -> Vec<&str> {
        self.job_types.names().collect()
    }

    fn unknown_job_type(&self, name: &str) -> Problem {
        let name: String = name.chars().take(80).collect();
        Problem::new(
            Kind::UnknownJobType,
            format!(
                "there is no job type {name:?}; known are: {}",
                self.known_job_types().join(", ")
            ),
        )
        .with("field", "job_type")
        .with("known", self.known_job_types())
    }
}

fn read<T: DeserializeOwned>(field: &str, value: &Json, expected: &str) -> Result<T, Problem> {
    value
        .to()
        .map_err(|_| invalid(field, &format!("must be {expected}")))
}

fn invalid(field: &str, detail: &str) -> Problem {
    invalid_because(field, &format!("`{field}` {detail}"))
}

fn invalid_because(field: &str, detail: &str) -> Problem {
    Problem::new(Kind::InvalidField, detail).with("field", field)
}

/// `also` are fields that this place knows on top.
fn unknown(field: &str, also: &[&'static str]) -> Problem {
    let known: Vec<&str> = FIELDS.iter().chain(also).copied().collect();
    let field: String = field.chars().take(80).collect();
    Problem::new(
        Kind::UnknownField,
        format!("there is no field {field:?}; known are: {}", known.join(", ")),
    )
    .with("field", field)
    .with("known", known)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn options() -> Options {
        Options::new(Arc::new(JobTypes::builtin()), None)
    }

    #[test]
    fn a_query_says_everything() {
        let mut options = options();
        options
            .set_query(
                "job_type=echo&name=A%20b&priority=-5&concurrency=8&space=x&metadata=%7B%22a%22:1.0%7D",
            )
            .unwrap();
        assert_eq!(options.space.as_ref().map(Space::as_str), Some("x"));
        let spec = options.into_spec(None).unwrap();
        assert_eq!(
            (spec.name.as_deref(), spec.priority, spec.concurrency),
            (Some("A b"), -5, Some(8))
        );
        assert_eq!(spec.metadata.unwrap().as_str(), r#"{"a":1.0}"#);
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (query, kind, part) in [
            ("job_type=ehco", Kind::UnknownJobType, "echo, sleep"),
            ("jobtype=echo", Kind::UnknownField, "\"jobtype\""),
            ("items=3", Kind::UnknownField, "\"items\""),
            ("priority=101", Kind::InvalidField, "between -100 and 100"),
            ("priority=high", Kind::InvalidField, "not JSON"),
            ("priority=1.5", Kind::InvalidField, "whole number"),
            ("concurrency=0", Kind::InvalidField, "between 1"),
            ("metadata=[1]", Kind::InvalidField, "JSON object"),
            ("name=a%0Ab", Kind::InvalidField, "control characters"),
            ("space=A", Kind::InvalidField, "space \"A\" is not valid"),
            ("name=a&name=b", Kind::InvalidField, "more than once"),
        ] {
            let problem = options().set_query(query).unwrap_err();
            assert_eq!(problem.kind(), kind, "{query}");
            assert!(problem.to_string().contains(part), "{query}: {problem}");
        }
        let problem = options().into_spec(None).unwrap_err();
        assert_eq!(problem.kind(), Kind::MissingField);
    }

    #[test]
    fn the_space_can_not_be_changed_by_the_body() {
        let mut options = Options::new(Arc::new(JobTypes::builtin()), Some("a".parse().unwrap()));
        options.set("space", &Json::string("a")).unwrap();
        let problem = options.set("space", &Json::string("b")).unwrap_err();
        assert_eq!(problem.kind(), Kind::SpaceMismatch);
    }
}

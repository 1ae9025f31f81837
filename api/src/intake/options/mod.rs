//! What a batch is to do: from fields of the JSON body or from parameters of the query, with the same checks.

pub(crate) mod checks;
mod on_complete;
mod query;
mod retention;
mod steering;

use std::sync::Arc;
use std::time::Duration;

use flotilla_core::batch::{FailureThreshold, Start};
use flotilla_core::follow_up::OnComplete;
use flotilla_core::job_type::JobTypes;
use flotilla_core::retention::Retention;
use flotilla_core::{BatchSpec, Json, Space};
use jiff::Timestamp;

use self::checks::{concurrency, invalid, invalid_because, name, priority, rate, read, unknown, unknown_of};
use self::steering::{Backoffs, Beginning};
use super::schema::{Schema, Schemas};
use crate::deps::Deps;
use crate::problem::{Kind, Problem};

/// The fields that say what a batch is to do.
pub(crate) const FIELDS: [&str; 18] = [
    "space",
    "name",
    "job_type",
    "priority",
    "concurrency",
    "rate_per_s",
    "start",
    "max_attempts",
    "timeout",
    "backoff",
    "callback_timeout",
    "deadline",
    "failure_threshold",
    "canary",
    "deduplicate",
    "retention",
    "on_complete",
    "metadata",
];

const MAX_METADATA_BYTES: usize = 16 << 10;

/// Options, as far as they are known. Each is checked when it arrives, so that a refusal comes before the items.
#[derive(Debug, Clone)]
pub(crate) struct Options {
    job_types: Arc<JobTypes>,
    schemas: Arc<Schemas>,
    /// When the request came.
    now: Timestamp,
    /// The batch exists: the body has items and nothing else.
    only_items: bool,
    /// The tenant, where it was said.
    pub(crate) space: Option<Space>,
    name: Option<String>,
    job_type: Option<String>,
    priority: i16,
    concurrency: Option<u32>,
    rate_per_s: Option<f64>,
    beginning: Beginning,
    max_attempts: Option<u16>,
    timeout: Option<Duration>,
    backoff: Backoffs,
    callback_timeout: Option<Duration>,
    deadline: Option<Timestamp>,
    failure_threshold: Option<FailureThreshold>,
    canary: Option<u32>,
    /// How long `custom_id`s are remembered.
    pub(crate) deduplicate: Option<Duration>,
    retention: Retention,
    on_complete: Option<Box<on_complete::Given>>,
    metadata: Option<Json>,
}

/// What items have to look like.
pub(crate) enum Shape<'a> {
    /// Nobody has said yet whose items they are.
    Unknown,
    /// Anything goes.
    Free,
    /// As this says.
    Schema(&'a Schema),
}

impl Options {
    /// Nothing said yet, except perhaps the space, in a request that came at `now`.
    pub(crate) fn new(deps: &Deps, space: Option<Space>, now: Timestamp) -> Self {
        Self::plain(Arc::clone(&deps.job_types), Arc::clone(&deps.schemas), space, now)
    }

    /// For a body that has only items, of no job type.
    pub(crate) fn of_any_items(job_types: Arc<JobTypes>, schemas: Arc<Schemas>, now: Timestamp) -> Self {
        Self {
            only_items: true,
            ..Self::plain(job_types, schemas, None, now)
        }
    }

    /// The same, of these job types.
    pub(crate) fn plain(
        job_types: Arc<JobTypes>,
        schemas: Arc<Schemas>,
        space: Option<Space>,
        now: Timestamp,
    ) -> Self {
        Self {
            job_types,
            schemas,
            now,
            only_items: false,
            space,
            name: None,
            job_type: None,
            priority: 0,
            concurrency: None,
            rate_per_s: None,
            beginning: Beginning::Sealed(Start::Auto),
            max_attempts: None,
            timeout: None,
            backoff: Backoffs::default(),
            callback_timeout: None,
            deadline: None,
            failure_threshold: None,
            canary: None,
            deduplicate: None,
            retention: Retention::default(),
            on_complete: None,
            metadata: None,
        }
    }

    /// For a body that has only items, for a batch that exists.
    pub(crate) fn of_items(deps: &Deps, batch: &BatchSpec, now: Timestamp) -> Self {
        Self {
            only_items: true,
            job_type: Some(batch.job_type.clone()),
            deduplicate: batch.deduplicate,
            ..Self::new(deps, None, now)
        }
    }

    /// Which job type it is for, as far as that was said.
    pub(crate) fn job_type(&self) -> Option<&str> {
        self.job_type.as_deref()
    }

    /// What items have to look like, as far as that is known.
    pub(crate) fn shape(&self) -> Shape<'_> {
        match &self.job_type {
            _ if self.schemas.is_empty() => Shape::Free,
            None => Shape::Unknown,
            Some(name) => self
                .schemas
                .of(name)
                .map_or(Shape::Free, |schema| Shape::Schema(schema)),
        }
    }

    /// True for fields of a JSON body that are taken, besides `items`.
    pub(crate) fn knows(&self, field: &str) -> bool {
        !self.only_items && FIELDS.contains(&field)
    }

    /// Takes a field of a JSON body. `null` says nothing.
    ///
    /// # Errors
    /// Where there is no such field or it can't have this value.
    pub(crate) fn set(&mut self, field: &str, value: &Json) -> Result<(), Problem> {
        if self.only_items {
            return Err(unknown_of(field, &["items"]));
        }
        if value.as_str() == "null" && FIELDS.contains(&field) {
            return Ok(());
        }
        match field {
            "space" => self.set_space(&read::<String>(field, value, "a text")?)?,
            "name" => self.name = Some(name(value)?),
            "job_type" => self.set_job_type(read(field, value, "a text")?)?,
            "priority" => self.priority = priority(value)?,
            "concurrency" => self.concurrency = Some(concurrency(value)?),
            "rate_per_s" => self.rate_per_s = Some(rate(value)?),
            "start" => self.beginning = steering::beginning(value)?,
            "max_attempts" => self.max_attempts = Some(steering::max_attempts(value)?),
            "timeout" => self.timeout = Some(steering::timeout(value)?),
            "backoff" => self.backoff = steering::backoff(value)?,
            "callback_timeout" => self.callback_timeout = Some(steering::callback_timeout(value)?),
            "deadline" => self.deadline = Some(steering::deadline(value, self.now)?),
            "failure_threshold" => self.failure_threshold = Some(steering::failure_threshold(value)?),
            "canary" => self.canary = Some(steering::canary(value)?),
            "deduplicate" => self.deduplicate = Some(steering::deduplicate(value)?),
            "retention" => self.retention = retention::retention(value)?,
            "on_complete" => self.set_on_complete(value)?,
            "metadata" => self.set_metadata(value)?,
            _ => return Err(unknown(field, &["items"])),
        }
        Ok(())
    }

    /// True where the batch takes more items after this request.
    pub(crate) fn stays_open(&self) -> bool {
        matches!(self.beginning, Beginning::Open)
    }

    /// Checks that nothing is missing in what was said.
    ///
    /// # Errors
    /// Where it is.
    pub(crate) fn check_complete(&self) -> Result<(), Problem> {
        if self.only_items {
            return Ok(());
        }
        self.require_job_type().map(drop)
    }

    fn require_job_type(&self) -> Result<&str, Problem> {
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

    /// What the batch is to do: as it was said, and as its job type says otherwise.
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
            rate_per_s: self.rate_per_s,
            start: match self.beginning {
                Beginning::Sealed(start) => start,
                Beginning::Open => Start::Auto,
            },
            max_attempts: self.max_attempts.unwrap_or(job_type.max_attempts),
            backoff: self.backoff.over(job_type.backoff),
            timeout: self.timeout.unwrap_or(job_type.timeout),
            callback_timeout: self.callback_timeout.or(job_type.callback_timeout),
            deadline: self.deadline,
            failure_threshold: self.failure_threshold,
            canary: self.canary,
            deduplicate: self.deduplicate,
            retention: self.retention.over(job_type.retention),
            on_complete: self.follow_up()?.map(Box::new),
            metadata: self.metadata.clone(),
            traceparent,
            request_hash: None,
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

    fn set_job_type(&mut self, name: String) -> Result<(), Problem> {
        if self.job_types.get(&name).is_none() {
            return Err(self.unknown_job_type(&name));
        }
        self.job_type = Some(name);
        Ok(())
    }

    fn set_on_complete(&mut self, value: &Json) -> Result<(), Problem> {
        let given = on_complete::on_complete(value)?;
        if self.job_types.get(&given.job_type).is_none() {
            return Err(self
                .unknown_job_type(&given.job_type)
                .with("field", "on_complete"));
        }
        self.on_complete = Some(Box::new(given));
        Ok(())
    }

    fn follow_up(&self) -> Result<Option<OnComplete>, Problem> {
        let Some(given) = &self.on_complete else {
            return Ok(None);
        };
        let Some(job_type) = self.job_types.get(&given.job_type) else {
            return Err(self.unknown_job_type(&given.job_type));
        };
        Ok(Some(given.resolved(job_type, self.priority)))
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

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn with_types(job_types: JobTypes) -> Options {
        let schemas = Schemas::compile(&job_types).unwrap();
        Options::plain(
            Arc::new(job_types),
            Arc::new(schemas),
            None,
            Timestamp::UNIX_EPOCH,
        )
    }

    pub(crate) fn options() -> Options {
        with_types(JobTypes::builtin())
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
        let mut options = options();
        options.space = Some("a".parse().unwrap());
        options.set("space", &Json::string("a")).unwrap();
        let problem = options.set("space", &Json::string("b")).unwrap_err();
        assert_eq!(problem.kind(), Kind::SpaceMismatch);
    }
}

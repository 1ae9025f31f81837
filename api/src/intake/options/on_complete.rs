//! The option that says what follows on a batch, once all of its items have ended.

use std::time::Duration;

use flotilla_core::Json;
use flotilla_core::follow_up::{On, OnComplete};
use flotilla_core::job_type::{JobType, MAX_ATTEMPTS, MAX_TIMEOUT};
use serde::Deserialize;

use super::checks::{invalid, invalid_because};
use crate::problem::Problem;

/// The longest `metadata` and `input`, in bytes.
const MAX_METADATA_BYTES: usize = 16 << 10;
const MAX_INPUT_BYTES: usize = 32 << 10;

/// What was said of a follow-up; its job type says the rest.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Given {
    pub(super) job_type: String,
    #[serde(default)]
    on: On,
    #[serde(default)]
    priority: Option<i16>,
    #[serde(default)]
    max_attempts: Option<u16>,
    #[serde(default, with = "flotilla_core::job_type::optional_duration")]
    timeout: Option<Duration>,
    #[serde(default)]
    metadata: Option<Json>,
    #[serde(default)]
    input: Option<Json>,
}

impl Given {
    /// The follow-up of a batch with `priority`, as it was said, and as `job_type` says otherwise.
    pub(super) fn resolved(&self, job_type: &JobType, priority: i16) -> OnComplete {
        OnComplete {
            on: self.on,
            job_type: self.job_type.clone(),
            pool: job_type.pool.clone(),
            priority: self.priority.unwrap_or(priority),
            max_attempts: self.max_attempts.unwrap_or(job_type.max_attempts),
            timeout: self.timeout.unwrap_or(job_type.timeout),
            backoff: job_type.backoff,
            callback_timeout: job_type.callback_timeout,
            retention: job_type.retention,
            metadata: self.metadata.clone(),
            input: self.input.clone(),
        }
    }

    fn check(&self) -> Result<(), String> {
        if self
            .priority
            .is_some_and(|priority| !(-100..=100).contains(&priority))
        {
            return Err("must have a `priority` from -100 to 100".into());
        }
        if self
            .max_attempts
            .is_some_and(|attempts| !(1..=MAX_ATTEMPTS).contains(&attempts))
        {
            return Err(format!("must have a `max_attempts` from 1 to {MAX_ATTEMPTS}"));
        }
        if self
            .timeout
            .is_some_and(|timeout| timeout.is_zero() || timeout > MAX_TIMEOUT)
        {
            let days = MAX_TIMEOUT.as_secs() / 86_400;
            return Err(format!("must have a `timeout` of over 0 and at most {days} days"));
        }
        let long = |json: &Json| !json.as_str().starts_with('{') || json.len() > MAX_METADATA_BYTES;
        if self.metadata.as_ref().is_some_and(long) {
            return Err(format!(
                "must have a JSON object of at most {MAX_METADATA_BYTES} bytes as `metadata`"
            ));
        }
        if self
            .input
            .as_ref()
            .is_some_and(|input| input.len() > MAX_INPUT_BYTES)
        {
            return Err(format!("must have an `input` of at most {MAX_INPUT_BYTES} bytes"));
        }
        Ok(())
    }
}

pub(super) fn on_complete(value: &Json) -> Result<Given, Problem> {
    let given: Given = value.to().map_err(|error| {
        let detail = format!(
            "`on_complete` must be an object like {{\"job_type\": \"summarize\", \"on\": \"success\", \"input\": {{}}}}: {error}"
        );
        invalid_because("on_complete", &detail)
    })?;
    given.check().map_err(|why| invalid("on_complete", &why))?;
    Ok(given)
}

//! A job type, without what may be secret: addresses, headers and commands stay with the workers.

use flotilla_core::job_type::{HandlerSpec, JobType};
use flotilla_core::schema::ItemSchema;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

/// Something that a batch can ask for.
#[derive(Serialize, ToSchema)]
#[schema(as = JobType)]
pub(crate) struct JobTypeView {
    /// Its name: the `job_type` of a batch.
    name: String,
    /// What kind of handler it has: `echo`, `sleep`, `exec` or `http`.
    handler: &'static str,
    /// The fleet that works on it.
    pool: String,
    /// The most time that one attempt may take, in seconds.
    timeout_s: f64,
    /// How often an item is attempted before it fails.
    max_attempts: u16,
    /// How long an item may wait for a callback, in seconds; null where it can't.
    callback_timeout_s: Option<f64>,
    /// The most items in flight at once, over all batches and spaces.
    concurrency: Option<u32>,
    /// The most items dispatched per second, over all batches and spaces.
    rate_per_s: Option<f64>,
    /// What an item looks like, as JSON Schema; null where anything goes.
    #[schema(value_type = Option<Object>)]
    schema: Option<Value>,
}

/// Every job type, by name.
#[derive(Serialize, ToSchema)]
pub(crate) struct JobTypeList {
    /// The job types.
    pub(crate) job_types: Vec<JobTypeView>,
}

impl JobTypeView {
    pub(crate) fn new(name: &str, job_type: &JobType) -> Self {
        Self {
            name: name.to_owned(),
            handler: match job_type.handler {
                HandlerSpec::Echo {} => "echo",
                HandlerSpec::Sleep {} => "sleep",
                HandlerSpec::Exec(_) => "exec",
                HandlerSpec::Http(_) => "http",
            },
            pool: job_type.pool.clone().into(),
            timeout_s: job_type.timeout.as_secs_f64(),
            max_attempts: job_type.max_attempts,
            callback_timeout_s: job_type.callback_timeout.map(|timeout| timeout.as_secs_f64()),
            concurrency: job_type.concurrency,
            rate_per_s: job_type.rate_per_s,
            schema: job_type.schema.as_ref().and_then(ItemSchema::document),
        }
    }
}

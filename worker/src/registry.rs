//! Which handler handles which job type.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use flotilla_core::Error;
use flotilla_core::job_type::{ExecMode, HandlerSpec, JobTypes};
use flotilla_core::outcome::{ItemError, ItemErrorKind};
use futures_util::future::join_all;

use crate::handlers::{Echo, Exec, ExecLines, Handler, Http, Sleep};

/// Handlers by the name of their job type.
#[derive(Clone, Default)]
pub struct Registry(BTreeMap<String, Arc<dyn Handler>>);

impl Registry {
    /// The handlers that `job_types` describe.
    ///
    /// # Errors
    /// The first one that can't work, by its path in `flotilla.toml`.
    pub fn from_job_types(job_types: &JobTypes) -> Result<Self, Error> {
        let built = job_types.iter().map(|(name, job_type)| {
            let handler = build(&job_type.handler).map_err(|reason| {
                Error::misconfigured("flotilla.toml", format!("job_types.{name}: {reason}"))
            })?;
            Ok((name.to_owned(), handler))
        });
        built.collect::<Result<_, _>>().map(Self)
    }

    /// Adds a handler of this process, or puts it in the place of another one.
    #[must_use]
    pub fn with(mut self, job_type: impl Into<String>, handler: Arc<dyn Handler>) -> Self {
        self.0.insert(job_type.into(), handler);
        self
    }

    /// Adds `other`, which wins where both have a name.
    pub(crate) fn extend(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    /// The handler of `job_type`, or the error of an item that nobody here can handle.
    pub(crate) fn get(&self, job_type: &str) -> Result<&dyn Handler, ItemError> {
        self.0.get(job_type).map(AsRef::as_ref).ok_or_else(|| {
            let known: Vec<_> = self.0.keys().map(String::as_str).collect();
            let message = format!(
                "the worker does not know the job type {job_type:?}, only {}: is its flotilla.toml the current one?",
                known.join(", ")
            );
            ItemError::new(ItemErrorKind::Invalid, message)
        })
    }

    /// Tells all of them that the worker stops.
    pub(crate) async fn close(&self) {
        join_all(self.0.values().map(|handler| handler.close())).await;
    }
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

fn build(spec: &HandlerSpec) -> Result<Arc<dyn Handler>, String> {
    Ok(match spec {
        HandlerSpec::Echo {} => Arc::new(Echo),
        HandlerSpec::Sleep {} => Arc::new(Sleep),
        HandlerSpec::Exec(exec) => match exec.mode {
            ExecMode::Command => Arc::new(Exec::new(exec)?),
            ExecMode::Lines => Arc::new(ExecLines::new(exec)?),
        },
        HandlerSpec::Http(http) => Arc::new(Http::new(http)?),
    })
}

#[cfg(test)]
mod tests {
    use flotilla_core::job_type::{ExecSpec, JobType};

    use super::*;

    #[test]
    fn an_unknown_job_type_is_answered_with_the_known_ones() {
        let registry = Registry::from_job_types(&JobTypes::builtin()).unwrap();
        let error = registry.with("own", Arc::new(Echo)).get("thumb").err().unwrap();
        assert_eq!(error.kind, ItemErrorKind::Invalid);
        assert!(
            error.message.contains("\"thumb\", only echo, own, sleep"),
            "{}",
            error.message
        );
    }

    #[test]
    fn what_can_not_work_is_found_at_the_start() {
        let mut types = JobTypes::builtin();
        let command = vec!["awk".into(), "{print $1}".into()];
        types.insert("bad", JobType::new(HandlerSpec::Exec(ExecSpec::new(command))));
        let error = Registry::from_job_types(&types).unwrap_err().to_string();
        assert!(error.starts_with("flotilla.toml: job_types.bad: "), "{error}");
    }
}

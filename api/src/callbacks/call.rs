//! What a caller says about an item. Pure.

use std::collections::BTreeSet;
use std::time::Duration;

use axum::http::HeaderMap;
use flotilla_core::Json;
use flotilla_core::artifact::{self, MAX_FILES};
use flotilla_core::message::Waiting;
use flotilla_core::outcome::{ItemError, ItemErrorKind};
use flotilla_core::retry::MAX_RETRY_AFTER;
use serde::Deserialize;

use crate::fields::Fields;
use crate::intake::checks::invalid;
use crate::problem::{Kind, Problem};

/// What a caller says about an item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Call {
    /// It is done.
    Succeeded {
        /// The answer.
        output: Json,
        /// Files that are in object storage.
        artifacts: Vec<Claimed>,
    },
    /// This attempt failed.
    Failed {
        /// Why.
        error: ItemError,
        /// No other attempt would succeed.
        permanent: bool,
        /// Not before so long.
        after: Option<Duration>,
    },
    /// It goes on, and needs more time.
    Running(Waiting),
}

/// A file that a caller says there is.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Claimed {
    /// What it is called.
    pub(crate) name: String,
    /// Where it is in object storage.
    pub(crate) key: String,
    /// What it is; by its name, where that is not said.
    #[serde(default)]
    pub(crate) media_type: Option<String>,
}

const STATUS: &str = "\"succeeded\", \"failed\" or \"running\"";
/// The longest message of a call that goes on, in characters.
const MAX_MESSAGE_CHARS: usize = 500;

impl Call {
    /// Reads the body of a call.
    ///
    /// # Errors
    /// Where it does not say one of these things, or something that does not go with it.
    pub(crate) fn parse(headers: &HeaderMap, body: &[u8]) -> Result<Self, Problem> {
        let fields = Fields::parse(
            headers,
            body,
            &[
                "status",
                "output",
                "artifacts",
                "error",
                "permanent",
                "retry_after_s",
                "progress",
                "message",
                "timeout_s",
            ],
        )?;
        let status: Option<String> = fields.get("status", STATUS)?;
        match status.as_deref() {
            Some("succeeded") => {
                fields.only(&["status", "output", "artifacts"])?;
                let output = fields.checked("output", |value| Ok(value.clone()))?;
                let expected = "a list of objects with `name` and `key`";
                let artifacts: Option<Vec<Claimed>> = fields.get("artifacts", expected)?;
                let artifacts = artifacts.unwrap_or_default();
                check_artifacts(&artifacts)?;
                Ok(Self::Succeeded {
                    output: output.unwrap_or_else(Json::null),
                    artifacts,
                })
            }
            Some("failed") => Self::failed(&fields),
            Some("running") => Self::running(&fields),
            Some(_) => Err(invalid("status", &format!("must be {STATUS}"))),
            None => Err(
                Problem::new(Kind::MissingField, format!("`status` is missing: {STATUS}"))
                    .with("field", "status"),
            ),
        }
    }

    fn failed(fields: &Fields) -> Result<Self, Problem> {
        fields.only(&["status", "error", "permanent", "retry_after_s"])?;
        let error: Option<String> = fields.get("error", "a text")?;
        let error = error.unwrap_or_else(|| "whoever was to complete the item says that it failed".into());
        let permanent = fields.get("permanent", "true or false")?.unwrap_or(false);
        let after = seconds(fields, "retry_after_s")?.map(|after| after.min(MAX_RETRY_AFTER));
        if permanent && after.is_some() {
            return Err(invalid(
                "retry_after_s",
                "makes no sense where `permanent` is true",
            ));
        }
        Ok(Self::Failed {
            error: ItemError::new(ItemErrorKind::Handler, error),
            permanent,
            after,
        })
    }

    fn running(fields: &Fields) -> Result<Self, Problem> {
        fields.only(&["status", "progress", "message", "timeout_s"])?;
        let progress: Option<f64> = fields.get("progress", "a number from 0 to 100")?;
        if progress.is_some_and(|percent| !(0.0..=100.0).contains(&percent)) {
            return Err(invalid("progress", "must be a number from 0 to 100"));
        }
        let message: Option<String> = fields.get("message", "a text")?;
        let timeout = seconds(fields, "timeout_s")?;
        if timeout.is_some_and(|timeout| timeout.is_zero()) {
            return Err(invalid("timeout_s", "must be over 0"));
        }
        Ok(Self::Running(Waiting {
            timeout_ms: timeout.map(millis),
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 100")]
            progress: progress.map(|percent| percent as u8),
            message: message.map(|message| {
                let kept = message.chars().filter(|c| !c.is_control());
                kept.take(MAX_MESSAGE_CHARS).collect()
            }),
        }))
    }
}

/// Checks what can be known of files without looking.
fn check_artifacts(artifacts: &[Claimed]) -> Result<(), Problem> {
    if artifacts.len() > MAX_FILES {
        return Err(invalid(
            "artifacts",
            &format!("may have at most {MAX_FILES} files"),
        ));
    }
    let mut names = BTreeSet::new();
    for claimed in artifacts {
        artifact::check_name(&claimed.name).map_err(|error| invalid("artifacts", &error.to_string()))?;
        if !names.insert(&claimed.name) {
            let problem = format!("has the name {:?} twice", claimed.name);
            return Err(invalid("artifacts", &problem));
        }
        let media_type = claimed.media_type.as_deref();
        if media_type.is_some_and(|text| artifact::media_type(text).is_none()) {
            return Err(invalid("artifacts", "has a `media_type` that is none"));
        }
    }
    Ok(())
}

fn seconds(fields: &Fields, field: &'static str) -> Result<Option<Duration>, Problem> {
    let expected = "a number of seconds";
    let seconds: Option<f64> = fields.get(field, expected)?;
    seconds
        .map(|seconds| {
            Duration::try_from_secs_f64(seconds).map_err(|_| invalid(field, &format!("must be {expected}")))
        })
        .transpose()
}

/// At least one: nothing would be no time at all.
pub(super) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(body: &str) -> Result<Call, Problem> {
        Call::parse(&HeaderMap::new(), body.as_bytes())
    }

    #[test]
    fn calls_are_understood() {
        let output = Json::parse(r#"{"a": 1.50}"#).unwrap();
        assert_eq!(
            parse(r#"{"output": {"a": 1.50}, "status": "succeeded"}"#).unwrap(),
            Call::Succeeded {
                output,
                artifacts: Vec::new()
            }
        );
        assert_eq!(
            parse(r#"{"status": "succeeded"}"#).unwrap(),
            Call::Succeeded {
                output: Json::null(),
                artifacts: Vec::new()
            }
        );
        let failed = |permanent, after: Option<u64>| Call::Failed {
            error: ItemError::new(ItemErrorKind::Handler, "no"),
            permanent,
            after: after.map(Duration::from_secs),
        };
        for (body, call) in [
            (r#"{"status": "failed", "error": "no"}"#, failed(false, None)),
            (
                r#"{"status": "failed", "error": "no", "permanent": true}"#,
                failed(true, None),
            ),
            (
                r#"{"status": "failed", "error": "no", "retry_after_s": 2.0}"#,
                failed(false, Some(2)),
            ),
        ] {
            assert_eq!(parse(body).unwrap(), call);
        }
        let running =
            parse(r#"{"status": "running", "progress": 40.7, "message": "a\u0000b", "timeout_s": 0.5}"#);
        assert_eq!(
            running.unwrap(),
            Call::Running(Waiting {
                timeout_ms: Some(500),
                progress: Some(40),
                message: Some("ab".into()),
            })
        );
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (body, part) in [
            ("", "`status` is missing"),
            ("{}", "`status` is missing"),
            ("[]", "JSON object"),
            (r#"{"status": "done"}"#, STATUS),
            (r#"{"status": "succeeded", "result": 1}"#, "\"result\""),
            (r#"{"status": "succeeded", "error": "no"}"#, "`error` does not go"),
            (r#"{"status": "running", "progress": 101}"#, "from 0 to 100"),
            (r#"{"status": "running", "timeout_s": 0}"#, "over 0"),
            (
                r#"{"status": "succeeded", "artifacts": [{"name": "a"}]}"#,
                "`key`",
            ),
            (
                r#"{"status": "succeeded", "artifacts": [{"name": "../a", "key": "k"}]}"#,
                "\"..\"",
            ),
            (
                r#"{"status": "succeeded", "artifacts": [{"name": "a", "key": "k"}, {"name": "a", "key": "l"}]}"#,
                "twice",
            ),
            (
                r#"{"status": "failed", "artifacts": []}"#,
                "`artifacts` does not go",
            ),
            (r#"{"status": "failed", "retry_after_s": -1}"#, "seconds"),
            (
                r#"{"status": "failed", "permanent": true, "retry_after_s": 1}"#,
                "no sense",
            ),
        ] {
            let problem = parse(body).unwrap_err().to_string();
            assert!(problem.contains(part), "{body}: {problem}");
        }
    }
}

//! Job types: what `flotilla.toml` says about how items are handled.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::ids::Pool;

/// All job types of a deployment, by name.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct JobTypes(BTreeMap<String, JobType>);

/// A job type: `[job_types.NAME]` in `flotilla.toml`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JobType {
    /// What handles an item.
    pub handler: HandlerSpec,
    /// Which fleet works on it.
    #[serde(default)]
    pub pool: Pool,
    /// The most time that one attempt may take. Default 5 minutes.
    #[serde(default = "five_minutes", with = "crate::job_type::duration")]
    pub timeout: Duration,
    /// How often an item is attempted before it fails. 1, and nothing else until failed items can be retried.
    #[serde(default = "one")]
    pub max_attempts: u16,
}

/// The longest timeout: RabbitMQ closes the channel of a delivery that is unacknowledged for 30 minutes.
pub const MAX_TIMEOUT: Duration = Duration::from_secs(25 * 60);

/// What handles an item.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum HandlerSpec {
    /// Answers with its input.
    Echo {},
    /// Sleeps the item's `ms` milliseconds; fails if its `fail` is true or a text.
    Sleep {},
    /// Runs a command on the worker's machine.
    Exec(ExecSpec),
    /// Posts the item to a URL.
    Http(HttpSpec),
}

/// A command that handles items.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExecSpec {
    /// Program and arguments. `{field}` becomes that field of the item, `{}` the whole item as JSON; each stays one
    /// argument whatever it contains.
    pub command: Vec<String>,
    /// `command` (the default) starts it once per item: input on stdin, output on stdout. `lines` keeps processes
    /// running: one line of JSON in per item, one line of JSON out.
    #[serde(default)]
    pub mode: ExecMode,
    /// Runs the command, which must then be one string, with `sh -c`. Placeholders are passed as positional
    /// parameters, so an item can't inject shell code.
    #[serde(default)]
    pub shell: bool,
    /// Longer output fails the item, in bytes. Default 1 MiB.
    #[serde(default = "one_mebibyte")]
    pub max_output_bytes: u64,
    /// Where the command runs. Default: where the worker was started.
    #[serde(default)]
    pub dir: Option<std::path::PathBuf>,
    /// Variables for the command, on top of the worker's own environment without `FLOTILLA_*`.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
}

/// How a command meets its items.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExecMode {
    /// A process per item.
    #[default]
    Command,
    /// A process for many items, one after the other.
    Lines,
}

/// A URL that handles items.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HttpSpec {
    /// Where the item is posted to. 2xx with a JSON body is its output.
    pub url: String,
    /// Headers to send along.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// A longer response fails the item, in bytes. Default 1 MiB.
    #[serde(default = "one_mebibyte")]
    pub max_response_bytes: u64,
}

impl JobTypes {
    /// The job types that need no configuration: `echo` and `sleep`.
    #[must_use]
    pub fn builtin() -> Self {
        let mut types = Self::default();
        types.insert("echo", JobType::new(HandlerSpec::Echo {}));
        types.insert("sleep", JobType::new(HandlerSpec::Sleep {}));
        types
    }

    /// Adds or replaces one.
    pub fn insert(&mut self, name: impl Into<String>, job_type: JobType) {
        self.0.insert(name.into(), job_type);
    }

    /// The one called `name`.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&JobType> {
        self.0.get(name)
    }

    /// All names, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// All of them, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &JobType)> {
        self.0.iter().map(|(name, job_type)| (name.as_str(), job_type))
    }

    /// Adds `other`, which wins where both have a name.
    pub fn extend(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    /// Checks what the types alone can't say.
    ///
    /// # Errors
    /// The first setting that makes no sense, by its path in `flotilla.toml`.
    pub fn validate(&self) -> Result<(), InvalidJobType> {
        self.0.iter().try_for_each(|(name, job_type)| {
            job_type.validate().map_err(|reason| InvalidJobType {
                name: name.clone(),
                reason,
            })
        })
    }
}

/// A job type that can't work.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("job_types.{name}: {reason}")]
pub struct InvalidJobType {
    name: String,
    reason: String,
}

impl JobType {
    /// A job type with default settings.
    #[must_use]
    pub fn new(handler: HandlerSpec) -> Self {
        Self {
            handler,
            pool: Pool::default(),
            timeout: five_minutes(),
            max_attempts: one(),
        }
    }

    fn validate(&self) -> Result<(), String> {
        if self.timeout.is_zero() || self.timeout > MAX_TIMEOUT {
            return Err(format!(
                "timeout must be over 0 and at most {} minutes",
                MAX_TIMEOUT.as_secs() / 60
            ));
        }
        if self.max_attempts == 0 {
            return Err("max_attempts must be at least 1".into());
        }
        if self.max_attempts > 1 {
            return Err("max_attempts must be 1: failed items are not retried in this version".into());
        }
        match &self.handler {
            HandlerSpec::Exec(exec) => exec.validate(),
            HandlerSpec::Http(http)
                if !(http.url.starts_with("http://") || http.url.starts_with("https://")) =>
            {
                Err(format!(
                    "handler.url must start with http:// or https://, not {:?}",
                    http.url
                ))
            }
            _ => Ok(()),
        }
    }
}

impl ExecSpec {
    /// `command`, with default settings.
    #[must_use]
    pub fn new(command: Vec<String>) -> Self {
        Self {
            command,
            mode: ExecMode::Command,
            shell: false,
            max_output_bytes: one_mebibyte(),
            dir: None,
            env: BTreeMap::new(),
        }
    }

    fn validate(&self) -> Result<(), String> {
        match self.command.as_slice() {
            [] => Err("handler.command is empty".into()),
            [program, ..] if program.trim().is_empty() => Err("handler.command names no program".into()),
            [_, _, ..] if self.shell => Err("handler.command must be one string where shell = true".into()),
            command if self.mode == ExecMode::Lines && command.iter().any(|part| has_placeholder(part)) => {
                Err("handler.command can't have placeholders where mode = \"lines\": the process outlives the item".into())
            }
            _ => Ok(()),
        }
    }
}

/// True where `part` contains `{}` or `{field}`.
fn has_placeholder(part: &str) -> bool {
    part.split_once('{').is_some_and(|(_, rest)| rest.contains('}'))
}

impl HttpSpec {
    /// `url`, with default settings.
    #[must_use]
    pub fn new(url: String) -> Self {
        Self {
            url,
            headers: BTreeMap::new(),
            max_response_bytes: one_mebibyte(),
        }
    }
}

fn five_minutes() -> Duration {
    Duration::from_secs(300)
}

fn one() -> u16 {
    1
}

fn one_mebibyte() -> u64 {
    1 << 20
}

/// Durations in configuration: `"250ms"`, `"30s"`, `"5m"`, `"1h"`, or a number of seconds.
pub mod duration {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer, de};

    /// Reads one.
    ///
    /// # Errors
    /// Where the text is no number with a unit.
    pub fn parse(text: &str) -> Result<Duration, String> {
        let text = text.trim();
        let unit_at = text
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .unwrap_or(text.len());
        let (number, unit) = text.split_at(unit_at);
        let per_unit = match unit.trim() {
            "ms" => 0.001,
            "" | "s" => 1.0,
            "m" | "min" => 60.0,
            "h" => 3600.0,
            _ => {
                return Err(format!(
                    "{text:?} is not a duration: expected something like \"250ms\", \"30s\", \"5m\" or \"1h\""
                ));
            }
        };
        let number: f64 = number.parse().map_err(|_| {
            format!(
                "{text:?} is not a duration: expected something like \"250ms\", \"30s\", \"5m\" or \"1h\""
            )
        })?;
        Duration::try_from_secs_f64(number * per_unit).map_err(|_| format!("{text:?} is too long"))
    }

    /// Writes one.
    ///
    /// # Errors
    /// Those of the serializer.
    pub fn serialize<S: Serializer>(value: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&format!("{}ms", value.as_millis()))
    }

    /// Reads one.
    ///
    /// # Errors
    /// Where it is neither a text as above nor a number of seconds.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Raw {
            Seconds(f64),
            Text(String),
        }
        match Raw::deserialize(deserializer)? {
            Raw::Seconds(seconds) => Duration::try_from_secs_f64(seconds).map_err(de::Error::custom),
            Raw::Text(text) => parse(&text).map_err(de::Error::custom),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_units() {
        assert_eq!(duration::parse("250ms"), Ok(Duration::from_millis(250)));
        assert_eq!(duration::parse("1.5 m"), Ok(Duration::from_secs(90)));
        assert_eq!(duration::parse("7"), Ok(Duration::from_secs(7)));
        for bad in ["", "s", "5 parsecs", "-3s", "1e99h"] {
            assert!(duration::parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn senseless_settings_are_named() {
        let mut types = JobTypes::builtin();
        assert_eq!(types.validate(), Ok(()));
        types.insert("thumb", JobType::new(HandlerSpec::Exec(ExecSpec::new(vec![]))));
        assert_eq!(
            types.validate().unwrap_err().to_string(),
            "job_types.thumb: handler.command is empty"
        );
    }
}

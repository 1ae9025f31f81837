//! Job types: what `flotilla.toml` says about how items are handled.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::artifact;
use crate::ids::Pool;
use crate::limits::{Ceiling, Ceilings, Scope};
use crate::retention::Retention;
use crate::retry::Backoff;
use crate::schema::ItemSchema;

/// All job types of a deployment, by name.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct JobTypes(BTreeMap<String, JobType>);

/// A job type: `[job_types.NAME]` in `flotilla.toml`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
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
    /// How often an item is attempted before it fails. Default 1: nothing is repeated unless it is known to be safe.
    #[serde(default = "one")]
    pub max_attempts: u16,
    /// How long an item rests between two attempts.
    #[serde(default)]
    pub backoff: Backoff,
    /// How long an item may wait for a callback. Without it, the handler can't answer that it waits.
    #[serde(
        default,
        with = "crate::job_type::optional_duration",
        skip_serializing_if = "Option::is_none"
    )]
    pub callback_timeout: Option<Duration>,
    /// The most items in flight at once, over all batches, spaces and workers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub concurrency: Option<u32>,
    /// The most items dispatched per second, over all batches and spaces.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate_per_s: Option<f64>,
    /// The most items that one worker runs at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub worker_concurrency: Option<u32>,
    /// What an item looks like; others are refused before they are accepted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schema: Option<ItemSchema>,
    /// How long what its batches leave stays after their end.
    #[serde(default, skip_serializing_if = "Retention::is_empty")]
    pub retention: Retention,
}

/// The longest timeout of an attempt. Longer than RabbitMQ lets a delivery be unacknowledged: see
/// [`Verdict::Leased`](crate::message::Verdict::Leased).
pub const MAX_TIMEOUT: Duration = Duration::from_secs(7 * 24 * 3600);
/// The longest that an item may wait for a callback.
pub const MAX_CALLBACK_TIMEOUT: Duration = Duration::from_secs(30 * 24 * 3600);
/// The most attempts.
pub const MAX_ATTEMPTS: u16 = 1_000;

/// What handles an item.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum HandlerSpec {
    /// Answers with its input.
    Echo {},
    /// Sleeps the item's `ms` milliseconds, and then ends as the item says: see `docs/job-types.md`.
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
    /// Exit codes that say that the item can't succeed, however often it is attempted. Default: 64 and 65, which
    /// `sysexits.h` calls wrong usage and wrong data.
    #[serde(default = "usage_and_data")]
    pub permanent_exit_codes: Vec<u8>,
    /// The exit code that says that something else will complete the item by callback.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waiting_exit_code: Option<u8>,
    /// The most memory that a process may map, in bytes. In configuration as in `"512MiB"`.
    #[serde(default, with = "optional_byte_size", skip_serializing_if = "Option::is_none")]
    pub memory: Option<u64>,
    /// Where `mode` is `lines`: a line is an object that says which item and attempt it is, with the item in its `input`.
    #[serde(default)]
    pub envelope: bool,
    /// Gives each attempt a folder, and keeps the files that are in it after a success: `FLOTILLA_ARTIFACTS`, or
    /// `artifacts` in the envelope.
    #[serde(default)]
    pub artifacts: bool,
    /// More bytes of files fail the item. In configuration as in `"512MiB"`. Default 1 GiB.
    #[serde(default, with = "optional_byte_size", skip_serializing_if = "Option::is_none")]
    pub max_artifact_bytes: Option<u64>,
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
    /// Where the item is posted to. 2xx with a JSON body is its output, and any other body a file.
    pub url: String,
    /// Headers to send along.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// A longer response fails the item, in bytes, where it is no file. Default 1 MiB.
    #[serde(default = "one_mebibyte")]
    pub max_response_bytes: u64,
    /// A longer response that is a file fails the item, in bytes. In configuration as in `"512MiB"`. Default 1 GiB.
    #[serde(default, with = "optional_byte_size", skip_serializing_if = "Option::is_none")]
    pub max_artifact_bytes: Option<u64>,
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

    /// Does something to each of them that may fail.
    ///
    /// # Errors
    /// The first that it fails with.
    pub fn try_for_each_mut<E>(
        &mut self,
        mut each: impl FnMut(&str, &mut JobType) -> Result<(), E>,
    ) -> Result<(), E> {
        self.0
            .iter_mut()
            .try_for_each(|(name, job_type)| each(name, job_type))
    }

    /// Adds `other`, which wins where both have a name.
    pub fn extend(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    /// Adds the ceilings of all of them to `ceilings`.
    pub fn add_ceilings(&self, ceilings: &mut Ceilings) {
        for (name, job_type) in self.iter() {
            let ceiling = Ceiling {
                concurrency: job_type.concurrency,
                rate_per_s: job_type.rate_per_s,
            };
            ceilings.insert(Scope::JobType(name.to_owned()), ceiling);
        }
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
            backoff: Backoff::default(),
            callback_timeout: None,
            concurrency: None,
            rate_per_s: None,
            worker_concurrency: None,
            schema: None,
            retention: Retention::default(),
        }
    }

    fn validate(&self) -> Result<(), String> {
        if self.timeout.is_zero() || self.timeout > MAX_TIMEOUT {
            return Err(format!(
                "timeout must be over 0 and at most {} days",
                MAX_TIMEOUT.as_secs() / 86_400
            ));
        }
        if !(1..=MAX_ATTEMPTS).contains(&self.max_attempts) {
            return Err(format!("max_attempts must be from 1 to {MAX_ATTEMPTS}"));
        }
        if self
            .callback_timeout
            .is_some_and(|timeout| timeout.is_zero() || timeout > MAX_CALLBACK_TIMEOUT)
        {
            return Err(format!(
                "callback_timeout must be over 0 and at most {} days",
                MAX_CALLBACK_TIMEOUT.as_secs() / 86_400
            ));
        }
        if self.concurrency == Some(0) || self.worker_concurrency == Some(0) {
            return Err("concurrency and worker_concurrency must be at least 1".into());
        }
        if self.rate_per_s.is_some_and(|rate| !is_rate(rate)) {
            return Err("rate_per_s must be over 0".into());
        }
        self.retention
            .validate()
            .map_err(|why| format!("retention.{why}"))?;
        match &self.handler {
            HandlerSpec::Exec(exec) => exec.validate(),
            HandlerSpec::Http(http) if !is_artifact_limit(http.max_artifact_bytes) => Err(artifact_limit()),
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
            permanent_exit_codes: usage_and_data(),
            waiting_exit_code: None,
            memory: None,
            envelope: false,
            artifacts: false,
            max_artifact_bytes: None,
        }
    }

    fn validate(&self) -> Result<(), String> {
        self.validate_exits()?;
        if self.memory.is_some_and(|memory| memory < MIN_MEMORY) {
            return Err("handler.memory must be at least 1MiB".into());
        }
        if !is_artifact_limit(self.max_artifact_bytes) {
            return Err(artifact_limit());
        }
        if self.artifacts && self.mode == ExecMode::Lines && !self.envelope {
            return Err(
                "handler.artifacts needs envelope = true where mode = \"lines\": the folder is in it".into(),
            );
        }
        if self.envelope && self.mode != ExecMode::Lines {
            return Err(
                "handler.envelope is for mode = \"lines\": a command has the same in its environment".into(),
            );
        }
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

    fn validate_exits(&self) -> Result<(), String> {
        if self.waiting_exit_code.is_some() && self.mode == ExecMode::Lines {
            return Err(
                "handler.waiting_exit_code is for commands: where mode = \"lines\", a line says {\"waiting\": true}".into(),
            );
        }
        if self.permanent_exit_codes.contains(&0) || self.waiting_exit_code == Some(0) {
            return Err("handler: exit code 0 means success, and nothing else".into());
        }
        match self.waiting_exit_code {
            Some(code) if self.permanent_exit_codes.contains(&code) => Err(format!(
                "handler: exit code {code} can't be both the waiting_exit_code and one of the permanent_exit_codes"
            )),
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
            max_artifact_bytes: None,
        }
    }
}

fn is_artifact_limit(bytes: Option<u64>) -> bool {
    bytes.is_none_or(|bytes| (1..=artifact::LARGEST_MAX_BYTES).contains(&bytes))
}

fn artifact_limit() -> String {
    let most = optional_byte_size::text(artifact::LARGEST_MAX_BYTES);
    format!("handler.max_artifact_bytes must be at least 1 and at most {most}")
}

/// A rate that makes sense: over 0, and a number.
#[must_use]
pub fn is_rate(rate: f64) -> bool {
    rate.is_finite() && rate > 0.0
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

fn usage_and_data() -> Vec<u8> {
    vec![64, 65]
}

/// No program starts with less.
const MIN_MEMORY: u64 = 1 << 20;

/// Durations in configuration: `"250ms"`, `"30s"`, `"5m"`, `"1h"`, `"7d"`, or a number of seconds.
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
            "d" => 86_400.0,
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

/// [`duration`]s that may be left out.
pub mod optional_duration {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer};

    #[derive(Deserialize)]
    struct Wrapped(#[serde(with = "super::duration")] Duration);

    /// Writes one.
    ///
    /// # Errors
    /// Those of the serializer.
    pub fn serialize<S: Serializer>(value: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
        match value {
            Some(value) => super::duration::serialize(value, serializer),
            None => serializer.serialize_none(),
        }
    }

    /// Reads one.
    ///
    /// # Errors
    /// Where there is one and it is malformed.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
        Option::<Wrapped>::deserialize(deserializer).map(|value| value.map(|Wrapped(value)| value))
    }
}

/// Sizes in configuration that may be left out: `"512MiB"`, `"2GiB"`, `"100MB"`, or a number of bytes.
pub mod optional_byte_size {
    use serde::{Deserialize, Deserializer, Serializer, de};

    const UNITS: [(&str, u64); 8] = [
        ("", 1),
        ("B", 1),
        ("KiB", 1 << 10),
        ("MiB", 1 << 20),
        ("GiB", 1 << 30),
        ("kB", 1_000),
        ("MB", 1_000_000),
        ("GB", 1_000_000_000),
    ];

    /// Reads one.
    ///
    /// # Errors
    /// Where the text is no whole number with a unit.
    pub fn parse(text: &str) -> Result<u64, String> {
        let text = text.trim();
        let unit_at = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let (number, unit) = text.split_at(unit_at);
        let per_unit = UNITS
            .iter()
            .find(|(name, _)| name.eq_ignore_ascii_case(unit.trim()))
            .map(|(_, bytes)| *bytes);
        let bytes = number.parse().ok().zip(per_unit);
        bytes
            .and_then(|(number, per_unit): (u64, u64)| number.checked_mul(per_unit))
            .ok_or_else(|| format!("{text:?} is not a size: expected something like \"512MiB\" or \"2GiB\""))
    }

    /// Writes one for people, in the largest unit that it is a whole number of.
    #[must_use]
    pub fn text(bytes: u64) -> String {
        let binary = [(1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
        let fits = binary
            .iter()
            .find(|(unit, _)| bytes > 0 && bytes.is_multiple_of(*unit));
        fits.map_or_else(
            || bytes.to_string(),
            |(unit, name)| format!("{}{name}", bytes / unit),
        )
    }

    /// Writes one.
    ///
    /// # Errors
    /// Those of the serializer.
    pub fn serialize<S: Serializer>(value: &Option<u64>, serializer: S) -> Result<S::Ok, S::Error> {
        match value {
            Some(bytes) => serializer.serialize_str(&text(*bytes)),
            None => serializer.serialize_none(),
        }
    }

    /// Reads one.
    ///
    /// # Errors
    /// Where there is one and it is malformed.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Raw {
            Bytes(u64),
            Text(String),
        }
        match Option::<Raw>::deserialize(deserializer)? {
            None => Ok(None),
            Some(Raw::Bytes(bytes)) => Ok(Some(bytes)),
            Some(Raw::Text(text)) => parse(&text).map(Some).map_err(de::Error::custom),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_units() {
        use optional_byte_size::{parse, text};
        assert_eq!(parse("512MiB"), Ok(512 << 20));
        assert_eq!(parse(" 2 gib"), Ok(2 << 30));
        assert_eq!(parse("100MB"), Ok(100_000_000));
        assert_eq!(parse("4096"), Ok(4096));
        for bad in ["", "MiB", "1.5GiB", "-1", "9 apples", "99999999999GiB"] {
            assert!(parse(bad).is_err(), "{bad:?}");
        }
        for bytes in [1_000, 1536, 512 << 20, 3 << 30] {
            assert_eq!(parse(&text(bytes)), Ok(bytes));
        }
        assert_eq!(text(512 << 20), "512MiB");
    }

    #[test]
    fn what_an_exit_code_means_is_said_once() {
        let refused = |change: fn(&mut ExecSpec)| {
            let mut spec = ExecSpec::new(vec!["true".into()]);
            change(&mut spec);
            spec.validate().unwrap_err()
        };
        assert!(refused(|spec| spec.waiting_exit_code = Some(0)).contains("exit code 0"));
        assert!(refused(|spec| spec.permanent_exit_codes.push(0)).contains("exit code 0"));
        assert!(refused(|spec| spec.waiting_exit_code = Some(65)).contains("65 can't be both"));
        let lines = refused(|spec| {
            spec.mode = ExecMode::Lines;
            spec.waiting_exit_code = Some(75);
        });
        assert!(lines.contains("a line says"), "{lines}");
        assert!(refused(|spec| spec.memory = Some(1)).contains("1MiB"));
        assert!(refused(|spec| spec.envelope = true).contains("lines"));
        let folder = refused(|spec| {
            spec.mode = ExecMode::Lines;
            spec.artifacts = true;
        });
        assert!(folder.contains("envelope = true"), "{folder}");
        assert!(refused(|spec| spec.max_artifact_bytes = Some(0)).contains("at most 48GiB"));
    }

    #[test]
    fn durations_have_units() {
        assert_eq!(duration::parse("250ms"), Ok(Duration::from_millis(250)));
        assert_eq!(duration::parse("1.5 m"), Ok(Duration::from_secs(90)));
        assert_eq!(duration::parse("7"), Ok(Duration::from_secs(7)));
        assert_eq!(duration::parse("7d"), Ok(MAX_TIMEOUT));
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

//! Options that say when and how often items run, and when to stop. The bounds are those of a job type.

use std::time::Duration;

use flotilla_core::Json;
use flotilla_core::batch::{FailureThreshold, Start};
use flotilla_core::job_type::{MAX_ATTEMPTS, MAX_CALLBACK_TIMEOUT, MAX_TIMEOUT, duration};
use flotilla_core::retry::{Backoff, MAX_RETRY_AFTER};
use jiff::Timestamp;
use serde::Deserialize;

use super::checks::{invalid, invalid_because, read};
use crate::problem::Problem;

/// What becomes of a batch once its items are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Beginning {
    /// It is complete, and starts then.
    Sealed(Start),
    /// It takes more items.
    Open,
}

const START: &str = "must be \"auto\", \"manual\", \"open\" or a time like \"2026-12-31T22:00:00Z\"";

pub(super) fn beginning(value: &Json) -> Result<Beginning, Problem> {
    let text: String = value.to().map_err(|_| invalid("start", START))?;
    match text.as_str() {
        "auto" => Ok(Beginning::Sealed(Start::Auto)),
        "manual" => Ok(Beginning::Sealed(Start::Manual)),
        "open" => Ok(Beginning::Open),
        other => time(other)
            .map(|time| Beginning::Sealed(Start::At(time)))
            .ok_or_else(|| invalid("start", START)),
    }
}

/// To the microsecond, which is what databases keep.
fn time(text: &str) -> Option<Timestamp> {
    let time: Timestamp = text.parse().ok()?;
    Timestamp::from_microsecond(time.as_microsecond()).ok()
}

pub(super) fn max_attempts(value: &Json) -> Result<u16, Problem> {
    let expected = format!("a whole number from 1 to {MAX_ATTEMPTS}");
    let attempts = read("max_attempts", value, &expected)?;
    if !(1..=MAX_ATTEMPTS).contains(&attempts) {
        return Err(invalid(
            "max_attempts",
            &format!("must be {expected}, not {attempts}"),
        ));
    }
    Ok(attempts)
}

pub(super) fn timeout(value: &Json) -> Result<Duration, Problem> {
    period("timeout", value, MAX_TIMEOUT)
}

pub(super) fn callback_timeout(value: &Json) -> Result<Duration, Problem> {
    period("callback_timeout", value, MAX_CALLBACK_TIMEOUT)
}

/// How long `custom_id`s are remembered.
pub(super) fn deduplicate(value: &Json) -> Result<Duration, Problem> {
    period("deduplicate", value, MAX_DEDUPLICATE)
}

/// The longest: a row per item stays for so long.
const MAX_DEDUPLICATE: Duration = Duration::from_secs(31 * 24 * 3600);

/// A duration of over nothing and at most `most`, which is whole days.
fn period(field: &str, value: &Json, most: Duration) -> Result<Duration, Problem> {
    #[derive(Deserialize)]
    struct Period(#[serde(with = "duration")] Duration);

    let expected = "a duration like \"250ms\", \"30s\", \"5m\" or \"1h\", or a number of seconds";
    let Period(period) = read(field, value, expected)?;
    if period.is_zero() || period > most {
        let days = most.as_secs() / 86_400;
        return Err(invalid(field, &format!("must be over 0 and at most {days} days")));
    }
    Ok(period)
}

/// What was said of a backoff; the job type says the rest.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Backoffs {
    initial: Option<Duration>,
    max: Option<Duration>,
}

impl Backoffs {
    pub(super) fn over(self, default: Backoff) -> Backoff {
        Backoff {
            initial: self.initial.unwrap_or(default.initial),
            max: self.max.unwrap_or(default.max),
        }
    }
}

pub(super) fn backoff(value: &Json) -> Result<Backoffs, Problem> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Given {
        #[serde(default, with = "flotilla_core::job_type::optional_duration")]
        initial: Option<Duration>,
        #[serde(default, with = "flotilla_core::job_type::optional_duration")]
        max: Option<Duration>,
    }

    let expected = "an object like {\"initial\": \"1s\", \"max\": \"5m\"}";
    let Given { initial, max } = read("backoff", value, expected)?;
    if initial.max(max) > Some(MAX_RETRY_AFTER) {
        let hours = MAX_RETRY_AFTER.as_secs() / 3_600;
        return Err(invalid("backoff", &format!("must be at most {hours} hours")));
    }
    Ok(Backoffs { initial, max })
}

pub(super) fn deadline(value: &Json, now: Timestamp) -> Result<Timestamp, Problem> {
    let expected = "a time like \"2026-12-31T22:00:00Z\"";
    let text: String = read("deadline", value, expected)?;
    let deadline = time(&text).ok_or_else(|| invalid("deadline", &format!("must be {expected}")))?;
    if deadline <= now {
        let detail = format!("must be in the future; it is {now} here");
        return Err(invalid("deadline", &detail));
    }
    Ok(deadline)
}

pub(super) fn failure_threshold(value: &Json) -> Result<FailureThreshold, Problem> {
    let threshold: FailureThreshold = value.to().map_err(|error| {
        let detail = format!(
            "`failure_threshold` must be an object like {{\"percent\": 10, \"min_sample\": 100, \"action\": \"pause\"}} or {{\"count\": 50}}: {error}"
        );
        invalid_because("failure_threshold", &detail)
    })?;
    if threshold.count.is_none() && threshold.percent.is_none() {
        return Err(invalid(
            "failure_threshold",
            "needs a `count`, a `percent`, or both",
        ));
    }
    if threshold
        .percent
        .is_some_and(|most| !(0.0..=100.0).contains(&most))
    {
        return Err(invalid(
            "failure_threshold",
            "must have a `percent` from 0 to 100",
        ));
    }
    Ok(threshold)
}

pub(super) fn canary(value: &Json) -> Result<u32, Problem> {
    let expected = "a whole number from 1 on: how many items run before a person looks";
    match read("canary", value, expected)? {
        0 => Err(invalid("canary", &format!("must be {expected}"))),
        items => Ok(items),
    }
}

#[cfg(test)]
mod tests {
    use flotilla_core::batch::FailureAction;
    use flotilla_core::job_type::{HandlerSpec, JobType, JobTypes};

    use super::super::tests::options;
    use super::super::tests::with_types;
    use super::*;
    use crate::problem::Kind;

    const ALL: &str = "start=2026-12-31T23:00:00%2B01:00&rate_per_s=2.5&max_attempts=7&timeout=90s&backoff={\"initial\":\"2s\"}\
        &callback_timeout=2h&deadline=2027-01-01T00:00:00Z&failure_threshold={\"percent\":5,\"action\":\"fail\"}&canary=3";

    #[test]
    fn every_option_is_understood() {
        let mut options = options();
        options.set_query(&format!("job_type=echo&{ALL}")).unwrap();
        assert!(!options.stays_open());
        let spec = options.into_spec(None).unwrap();
        let start: Timestamp = "2026-12-31T22:00:00Z".parse().unwrap();
        assert_eq!(spec.start, Start::At(start));
        assert_eq!(
            (spec.rate_per_s, spec.max_attempts, spec.canary),
            (Some(2.5), 7, Some(3))
        );
        assert_eq!(spec.timeout, Duration::from_secs(90));
        assert_eq!(spec.callback_timeout, Some(Duration::from_secs(7_200)));
        assert_eq!(spec.backoff.initial, Duration::from_secs(2));
        assert_eq!(spec.backoff.max, Backoff::default().max);
        assert_eq!(spec.deadline, Some("2027-01-01T00:00:00Z".parse().unwrap()));
        let threshold = spec.failure_threshold.unwrap();
        assert_eq!((threshold.percent, threshold.min_sample), (Some(5.0), 100));
        assert_eq!(threshold.action, FailureAction::Fail);
    }

    #[test]
    fn what_is_not_said_is_as_the_job_type_says() {
        let mut job_type = JobType::new(HandlerSpec::Echo {});
        job_type.max_attempts = 4;
        job_type.callback_timeout = Some(Duration::from_secs(60));
        job_type.backoff.initial = Duration::from_secs(9);
        let mut types = JobTypes::default();
        types.insert("t", job_type);
        let mut options = with_types(types);
        options
            .set_query("job_type=t&start=open&backoff={\"max\":20}")
            .unwrap();
        assert!(options.stays_open());
        let spec = options.into_spec(None).unwrap();
        assert_eq!((spec.start, spec.max_attempts), (Start::Auto, 4));
        assert_eq!(spec.callback_timeout, Some(Duration::from_secs(60)));
        assert_eq!(spec.backoff.initial, Duration::from_secs(9));
        assert_eq!(spec.backoff.max, Duration::from_secs(20));
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (query, part) in [
            ("start=tomorrow", "\"auto\", \"manual\", \"open\" or a time"),
            ("rate_per_s=0", "over 0"),
            ("rate_per_s=fast", "not JSON"),
            ("max_attempts=0", "from 1 to 1000"),
            ("max_attempts=1001", "from 1 to 1000"),
            ("max_attempts=70000", "from 1 to 1000"),
            ("timeout=0s", "over 0 and at most 7 days"),
            ("timeout=200h", "at most 7 days"),
            ("timeout=soon", "\"30s\""),
            ("callback_timeout=10000h", "at most 30 days"),
            ("backoff={\"first\":1}", "\"initial\""),
            ("backoff={\"max\":\"25h\"}", "24 hours"),
            ("deadline=1969-12-31T00:00:00Z", "in the future"),
            ("deadline=never", "a time like"),
            ("failure_threshold={}", "`count`, a `percent`"),
            ("failure_threshold={\"percent\":101}", "from 0 to 100"),
            (
                "failure_threshold={\"percent\":5,\"action\":\"stop\"}",
                "`pause` or `fail`",
            ),
            ("canary=0", "from 1 on"),
        ] {
            let problem = options().set_query(query).unwrap_err();
            assert_eq!(problem.kind(), Kind::InvalidField, "{query}");
            assert!(problem.to_string().contains(part), "{query}: {problem}");
        }
    }
}

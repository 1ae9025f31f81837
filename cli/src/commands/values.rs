//! Values of flags that mean more than their text.

use flotilla_core::job_type::{duration, is_rate};
use flotilla_core::{Clock, SystemClock};
use serde_json::{Value, json};

/// A time as the API takes it: as it is, or so long from now.
pub(crate) fn time(text: &str) -> Result<String, String> {
    let expected = || "expected a time like 2026-12-31T22:00:00Z, or a time from now like 2h".to_owned();
    let now = SystemClock.now();
    // The API parses times itself; here it only has to be told from a duration.
    if text.contains(['-', ':']) {
        return Ok(text.to_owned());
    }
    let from_now = duration::parse(text).map_err(|_| expected())?;
    let time = now.checked_add(from_now).map_err(|_| expected())?;
    Ok(time.to_string())
}

/// Items per second.
pub(crate) fn rate(text: &str) -> Result<f64, String> {
    let rate = text.parse().ok().filter(|rate| is_rate(*rate));
    rate.ok_or_else(|| "expected a number over 0".to_owned())
}

/// Any JSON.
pub(crate) fn json(text: &str) -> Result<Value, String> {
    serde_json::from_str(text).map_err(|error| format!("not JSON: {error}"))
}

/// A JSON object.
pub(crate) fn object(text: &str) -> Result<Value, String> {
    let value = serde_json::from_str(text).ok().filter(Value::is_object);
    value.ok_or_else(|| "expected a JSON object".to_owned())
}

/// How many failed items are too many.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Threshold {
    /// Of those that ended.
    Percent(f64),
    /// In all.
    Count(u32),
}

impl Threshold {
    /// As the API takes it.
    pub(crate) fn to_json(self) -> Value {
        match self {
            Self::Percent(percent) => json!({"percent": percent}),
            Self::Count(count) => json!({"count": count}),
        }
    }
}

/// `5%` or `50`.
pub(crate) fn threshold(text: &str) -> Result<Threshold, String> {
    let read = match text.strip_suffix('%') {
        Some(share) => share
            .trim()
            .parse()
            .ok()
            .filter(|share| (0.0..=100.0).contains(share))
            .map(Threshold::Percent),
        None => text.parse().ok().map(Threshold::Count),
    };
    read.ok_or_else(|| "expected a share like 5%, or a number of items like 50".to_owned())
}

/// A limit that can be lifted: a value, or `none`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Limit<T>(pub(crate) Option<T>);

/// `20` or `none`.
pub(crate) fn concurrency_or_none(text: &str) -> Result<Limit<u32>, String> {
    if text == "none" {
        return Ok(Limit(None));
    }
    let limit = text.parse().ok().filter(|limit| *limit > 0);
    limit
        .map(|limit| Limit(Some(limit)))
        .ok_or_else(|| "expected a whole number from 1 on, or none".to_owned())
}

/// `2.5` or `none`.
pub(crate) fn rate_or_none(text: &str) -> Result<Limit<f64>, String> {
    if text == "none" {
        return Ok(Limit(None));
    }
    rate(text)
        .map(|rate| Limit(Some(rate)))
        .map_err(|_| "expected a number over 0, or none".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_absolute_or_from_now() {
        assert_eq!(time("2030-01-01T00:00:00Z").unwrap(), "2030-01-01T00:00:00Z");
        let in_two_hours = time("2h").unwrap();
        assert!(in_two_hours.ends_with('Z') && in_two_hours > SystemClock.now().to_string());
        assert!(time("soon").is_err());
    }

    #[test]
    fn limits_can_be_lifted() {
        assert_eq!(concurrency_or_none("none"), Ok(Limit(None)));
        assert_eq!(concurrency_or_none("7"), Ok(Limit(Some(7))));
        assert!(concurrency_or_none("0").is_err());
        assert_eq!(rate_or_none("0.5"), Ok(Limit(Some(0.5))));
        assert!(rate_or_none("inf").is_err());
    }

    #[test]
    fn a_threshold_is_a_share_or_a_number() {
        assert_eq!(threshold("2.5%"), Ok(Threshold::Percent(2.5)));
        assert_eq!(threshold("50"), Ok(Threshold::Count(50)));
        assert!(threshold("-1").is_err() && threshold("x%").is_err());
    }
}

//! The `Retry-After` header.

use std::time::Duration;

use jiff::Timestamp;
use jiff::fmt::rfc2822;
use reqwest::header::{DATE, HeaderMap, HeaderName, RETRY_AFTER};

/// How long the server asked to be left alone: in seconds, or until a date. A date is read by the server's own clock,
/// where it says what that shows; `now` stands in for it.
pub(super) fn retry_after(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let text = |name: HeaderName| headers.get(name)?.to_str().ok().map(str::trim);
    let wish = text(RETRY_AFTER)?;
    if let Ok(seconds) = wish.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let until = date(wish)?;
    let from = text(DATE).and_then(date).unwrap_or(now);
    // A date that has passed: at once.
    Some(until.duration_since(from).try_into().unwrap_or_default())
}

/// `Sun, 06 Nov 1994 08:49:37 GMT`, the one form that servers may send.
fn date(text: &str) -> Option<Timestamp> {
    rfc2822::DateTimeParser::new()
        .relaxed_weekday(true)
        .parse_timestamp(text)
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pairs: &[(HeaderName, &str)]) -> Option<u64> {
        let headers = pairs
            .iter()
            .map(|(name, value)| (name.clone(), value.parse().unwrap()));
        let now = "1994-11-06T08:49:00Z".parse().unwrap();
        retry_after(&headers.collect(), now).map(|after| after.as_secs())
    }

    #[test]
    fn is_seconds_or_a_date() {
        assert_eq!(read(&[]), None);
        assert_eq!(read(&[(RETRY_AFTER, " 120 ")]), Some(120));
        let until = (RETRY_AFTER, "Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(read(std::slice::from_ref(&until)), Some(37));
        let theirs = (DATE, "Sun, 06 Nov 1994 08:49:30 GMT");
        assert_eq!(read(&[until.clone(), theirs]), Some(7), "by the server's clock");
        let later = (DATE, "Sun, 06 Nov 1994 09:49:30 GMT");
        assert_eq!(read(&[until, later]), Some(0));
        for bad in ["soon", "-5", "1.5", "2026-01-01"] {
            assert_eq!(read(&[(RETRY_AFTER, bad)]), None, "{bad}");
        }
    }
}

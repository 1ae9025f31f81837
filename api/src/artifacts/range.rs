//! Which part of a file a client wants. Pure: RFC 9110, section 14.

use std::ops::Range;

use axum::http::HeaderMap;
use axum::http::header::RANGE;

/// What a client wants of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Asked {
    /// All of it.
    Whole,
    /// A part, which is not empty and within it.
    Part(Range<u64>),
    /// What it does not have.
    Nothing,
}

/// What is asked for of a file with `bytes`. What can't be understood, and several ranges at once, mean all of it, as the
/// standard allows.
pub(crate) fn asked(headers: &HeaderMap, bytes: u64) -> Asked {
    let mut ranges = headers.get_all(RANGE).iter();
    let (Some(value), None) = (ranges.next(), ranges.next()) else {
        return Asked::Whole;
    };
    let value = value.to_str().unwrap_or_default().trim();
    let Some((unit, range)) = value.split_once('=') else {
        return Asked::Whole;
    };
    if !unit.trim().eq_ignore_ascii_case("bytes") || range.contains(',') {
        return Asked::Whole;
    }
    let Some((first, last)) = range.trim().split_once('-') else {
        return Asked::Whole;
    };
    let range = match (number(first), number(last), first.is_empty(), last.is_empty()) {
        (Some(first), None, _, true) => first..bytes,
        (Some(first), Some(last), ..) if first <= last => first..last.saturating_add(1).min(bytes),
        (None, Some(count), true, _) => bytes.saturating_sub(count)..bytes,
        _ => return Asked::Whole,
    };
    if range.start < range.end {
        Asked::Part(range)
    } else {
        Asked::Nothing
    }
}

/// Only digits: a sign or a space is none.
fn number(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    // What is too long for a number is beyond the end of every file.
    digits.then(|| text.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_within_the_file() {
        let asked = |value: &str, bytes| {
            let headers = HeaderMap::from_iter([(RANGE, value.parse().unwrap())]);
            asked(&headers, bytes)
        };
        for (value, expected) in [
            ("bytes=0-0", Asked::Part(0..1)),
            ("bytes=2-5", Asked::Part(2..6)),
            ("bytes=7-", Asked::Part(7..10)),
            ("bytes=7-99999999999999999999", Asked::Part(7..10)),
            ("bytes=-3", Asked::Part(7..10)),
            ("bytes=-30", Asked::Part(0..10)),
            ("Bytes = 1-2", Asked::Part(1..3)),
            ("bytes=10-", Asked::Nothing),
            ("bytes=10-12", Asked::Nothing),
            ("bytes=-0", Asked::Nothing),
            ("bytes=5-2", Asked::Whole),
            ("bytes=0-1,3-4", Asked::Whole),
            ("items=0-1", Asked::Whole),
            ("bytes=a-b", Asked::Whole),
            ("bytes=-", Asked::Whole),
            ("bytes=+1-2", Asked::Whole),
            ("0-1", Asked::Whole),
        ] {
            assert_eq!(asked(value, 10), expected, "{value}");
        }
        assert_eq!(asked("bytes=0-", 0), Asked::Nothing);
        assert_eq!(super::asked(&HeaderMap::new(), 10), Asked::Whole);
    }
}

//! What a finished batch amounts to, in a few lines.

use std::fmt::Write;

use super::{duration, number, text};
use crate::client::view::ResultView;

/// Error groups that are shown.
const GROUPS: usize = 5;

/// Counts, times, and the errors by what they mean.
pub(crate) fn describe(result: &ResultView) -> String {
    let summary = &result.result_summary;
    let mut out = verdict(result);
    if let (Some(p50), Some(p95)) = (summary.p50_ms, summary.p95_ms) {
        // Writing to a String can't fail, here and below.
        let _ = write!(
            out,
            "\ntime per item: p50 {}, p95 {}",
            duration::millis(p50),
            duration::millis(p95)
        );
    }
    out.push('\n');
    out.push_str(&errors(result));
    out
}

/// `1,194 succeeded, 6 failed of 1,200 in 16 s, 74.1/s`.
pub(crate) fn verdict(result: &ResultView) -> String {
    let summary = &result.result_summary;
    let count = |number: u32| number::grouped(number.into());
    let mut out = format!(
        "{} succeeded, {} failed",
        count(summary.succeeded),
        count(summary.failed)
    );
    if summary.cancelled > 0 {
        let _ = write!(out, ", {} cancelled", count(summary.cancelled));
    }
    let seconds = u32::try_from(result.total_time_ms).map_or(f64::MAX, f64::from) / 1000.0;
    let _ = write!(
        out,
        " of {} in {}",
        count(summary.total),
        duration::seconds(seconds)
    );
    if seconds > 0.0 {
        let _ = write!(out, ", {}", number::rate(f64::from(summary.total) / seconds));
    }
    out
}

fn errors(result: &ResultView) -> String {
    let groups = &result.result_summary.errors;
    if groups.is_empty() {
        return String::new();
    }
    let mut out = "errors:\n".to_owned();
    for group in groups.iter().take(GROUPS) {
        let _ = writeln!(
            out,
            "{:>8} × {}",
            number::grouped(group.count.into()),
            text::clean(&group.sample, 160)
        );
    }
    if groups.len() > GROUPS {
        let _ = writeln!(out, "         and {} other kinds", groups.len() - GROUPS);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_what_went_wrong_and_how_often() {
        let result: ResultView = serde_json::from_str(
            r#"{"batch_id":"b","total_time_ms":16200,"avg_item_time_ms":42.0,"success_rate":0.995,"created_at":"x",
            "result_summary":{"total":1200,"succeeded":1194,"failed":6,"cancelled":0,"attempts":1200,
            "p50_ms":38.0,"p95_ms":91.5,"p99_ms":120.0,
            "errors":[{"fingerprint":"a","count":4,"sample":"exit 1:\nno such file"},
                      {"fingerprint":"b","count":2,"sample":"took over 5 m"}]}}"#,
        )
        .unwrap();
        assert_eq!(
            describe(&result),
            "1,194 succeeded, 6 failed of 1,200 in 16 s, 74.1/s\n\
             time per item: p50 38 ms, p95 91 ms\n\
             errors:\n       4 × exit 1: no such file\n       2 × took over 5 m\n"
        );
    }
}

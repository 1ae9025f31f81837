//! The progress of a batch in one line.

use flotilla_core::BatchState;

use super::{duration, number, text};
use crate::client::view::{BatchView, PausedView};

/// `312 of 800 (39 %) · 2 failed · 48.1/s · 9 to 12 s left`.
pub(crate) fn line(batch: &BatchView) -> String {
    let counts = &batch.counts;
    let mut parts = vec![amount(batch)];
    if counts.failed > 0 {
        parts.push(format!("{} failed", number::grouped(counts.failed.into())));
    }
    if counts.retrying > 0 {
        parts.push(format!("{} to retry", number::grouped(counts.retrying.into())));
    }
    if counts.waiting > 0 {
        parts.push(format!("{} waiting", number::grouped(counts.waiting.into())));
    }
    if batch.state.is_final() {
        parts.push(batch.state.to_string());
    } else if let Some(paused) = &batch.paused {
        parts.push(why(paused));
    } else if matches!(batch.state, BatchState::Cancelling | BatchState::Open) {
        parts.push(batch.state.to_string());
    } else {
        if batch.rate_per_s > 0.0 {
            parts.push(number::rate(batch.rate_per_s));
        }
        if let Some(eta) = &batch.eta {
            parts.push(left(eta.low_s, eta.high_s));
        }
    }
    parts.join(" · ")
}

/// Why a batch is paused, and what to do about it.
pub(crate) fn why(paused: &PausedView) -> String {
    match paused.reason.as_str() {
        "failure_threshold" => "paused: too many items failed (flotilla errors, flotilla resume)".to_owned(),
        "canary" => "paused: look at the first items, then flotilla resume".to_owned(),
        _ => format!("paused by {}", text::clean(&paused.by, 100)),
    }
}

/// `312 of 800 (39 %)`.
pub(crate) fn amount(batch: &BatchView) -> String {
    format!(
        "{} of {} ({:.0} %)",
        number::grouped(batch.counts.settled().into()),
        number::grouped(batch.counts.total.into()),
        batch.percent.floor()
    )
}

/// A range where its ends read differently.
fn left(low: f64, high: f64) -> String {
    let (low, high) = (duration::seconds(low), duration::seconds(high));
    if low == high {
        format!("{low} left")
    } else {
        format!("{low} to {high} left")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch(json: &str) -> BatchView {
        serde_json::from_str(json).unwrap()
    }

    const COUNTS: &str = r#""counts":{"total":800,"pending":0,"queued":486,"processing":2,"retrying":0,"waiting":0,
        "succeeded":310,"failed":2,"cancelled":0}"#;

    #[test]
    fn says_how_far_how_fast_and_how_long() {
        let running = batch(&format!(
            r#"{{"id":"b","name":null,"job_type":"t","state":"processing",{COUNTS},"percent":39.0,"rate_per_s":48.12,
            "eta":{{"low_s":10.4,"high_s":12.0}},"created_at":"2026-01-01T00:00:00Z"}}"#
        ));
        assert_eq!(
            line(&running),
            "312 of 800 (39 %) · 2 failed · 48.1/s · 10 s to 12 s left"
        );
    }

    #[test]
    fn a_pause_says_by_whom() {
        let paused = batch(&format!(
            r#"{{"id":"b","name":null,"job_type":"t","state":"paused",{COUNTS},"percent":39.0,"rate_per_s":48.12,
            "paused":{{"reason":"requested","by":"ann@host","at":"2026-01-01T00:00:00Z"}},
            "eta":null,"created_at":"2026-01-01T00:00:00Z"}}"#
        ));
        assert_eq!(line(&paused), "312 of 800 (39 %) · 2 failed · paused by ann@host");
    }

    #[test]
    fn an_end_has_no_eta() {
        let done = batch(&format!(
            r#"{{"id":"b","name":null,"job_type":"t","state":"completed",{COUNTS},"percent":100.0,"rate_per_s":48.12,
            "eta":null,"created_at":"2026-01-01T00:00:00Z"}}"#
        ));
        assert!(line(&done).ends_with("· completed"), "{}", line(&done));
    }
}

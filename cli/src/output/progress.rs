//! The progress of a batch in one line.

use super::{duration, number};
use crate::client::view::BatchView;

/// `312 of 800 (39 %) · 2 failed · 48.1/s · 9 to 12 s left`.
pub(crate) fn line(batch: &BatchView) -> String {
    let counts = &batch.counts;
    let mut parts = vec![format!(
        "{} of {} ({:.0} %)",
        number::grouped(counts.settled().into()),
        number::grouped(counts.total.into()),
        batch.percent.floor()
    )];
    if counts.failed > 0 {
        parts.push(format!("{} failed", number::grouped(counts.failed.into())));
    }
    if counts.retrying > 0 {
        parts.push(format!("{} to retry", number::grouped(counts.retrying.into())));
    }
    if batch.state.is_final() {
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
    fn an_end_has_no_eta() {
        let done = batch(&format!(
            r#"{{"id":"b","name":null,"job_type":"t","state":"completed",{COUNTS},"percent":100.0,"rate_per_s":48.12,
            "eta":null,"created_at":"2026-01-01T00:00:00Z"}}"#
        ));
        assert!(line(&done).ends_with("· completed"), "{}", line(&done));
    }
}

//! The progress of a batch in one line.

use flotilla_core::BatchState;

use super::{eta, number, text};
use crate::client::view::{BatchView, PausedView};

/// `312 of 800 (39 %) · 2 failed · 48.1/s · 9 to 12 s left`.
pub(crate) fn line(batch: &BatchView) -> String {
    let mut parts = numbers(batch);
    if batch.state.is_final() {
        parts.push(batch.state.to_string());
    } else if let Some(paused) = &batch.paused {
        parts.push(why(paused));
    } else if matches!(batch.state, BatchState::Cancelling | BatchState::Open) {
        parts.push(batch.state.to_string());
    } else {
        parts.extend(pace(batch));
    }
    parts.join(" · ")
}

/// The same for somebody who has read the state: why it is paused, or how fast it is where it is not.
pub(crate) fn after_state(batch: &BatchView) -> String {
    let mut parts = numbers(batch);
    if let Some(paused) = batch.paused.as_ref().filter(|_| !batch.state.is_final()) {
        parts.push(why(paused));
    } else if matches!(batch.state, BatchState::Pending | BatchState::Processing) {
        parts.extend(pace(batch));
    }
    parts.join(" · ")
}

fn numbers(batch: &BatchView) -> Vec<String> {
    let counts = &batch.counts;
    let noted = [
        (counts.failed, "failed"),
        (counts.cancelled, "cancelled"),
        (counts.retrying, "to retry"),
        (counts.waiting, "waiting"),
    ];
    let noted = noted.into_iter().filter(|(count, _)| *count > 0);
    let noted = noted.map(|(count, what)| format!("{} {what}", number::grouped(count.into())));
    [amount(batch)].into_iter().chain(noted).collect()
}

fn pace(batch: &BatchView) -> Vec<String> {
    let mut parts = Vec::new();
    if batch.rate_per_s > 0.0 {
        parts.push(number::rate(batch.rate_per_s));
    }
    // Before the first item is through there is nothing to go by.
    if batch.state == BatchState::Processing || batch.eta.is_some() {
        parts.push(format!("{} left", eta::range(batch.eta)));
    }
    parts
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
            "312 of 800 (39 %) · 2 failed · 48.1/s · 10 to 12 s left"
        );
    }

    #[test]
    fn nobody_guesses_where_nothing_is_known() {
        let running = batch(&format!(
            r#"{{"id":"b","name":null,"job_type":"t","state":"processing",{COUNTS},"percent":39.0,"rate_per_s":0.0,
            "eta":null,"created_at":"2026-01-01T00:00:00Z"}}"#
        ));
        assert_eq!(line(&running), "312 of 800 (39 %) · 2 failed · ? left");
        assert_eq!(after_state(&running), line(&running));
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

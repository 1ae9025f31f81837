//! Durations for people.

use std::time::Duration;

/// `840 ms`, `3.2 s`, `2 m 05 s`, `1 h 02 m`, `3 d 04 h`: two units at most.
pub(crate) fn human(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        0 => format!("{} ms", duration.as_millis()),
        1..10 => format!("{:.1} s", duration.as_secs_f64()),
        10..60 => format!("{seconds} s"),
        60..3600 => format!("{} m {:02} s", seconds / 60, seconds % 60),
        3600..86_400 => format!("{} h {:02} m", seconds / 3600, seconds / 60 % 60),
        _ => format!("{} d {:02} h", seconds / 86_400, seconds / 3600 % 24),
    }
}

/// Seconds as the API gives them.
pub(crate) fn seconds(seconds: f64) -> String {
    human(Duration::try_from_secs_f64(seconds.max(0.0)).unwrap_or(Duration::MAX))
}

/// Milliseconds as the API gives them. Short ones keep their digits: `0.4 ms`.
pub(crate) fn millis(millis: f64) -> String {
    if millis < 10.0 {
        format!("{millis:.1} ms")
    } else {
        seconds(millis / 1000.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_units_at_most() {
        let human = |millis| human(Duration::from_millis(millis));
        assert_eq!(human(0), "0 ms");
        assert_eq!(human(840), "840 ms");
        assert_eq!(human(3_249), "3.2 s");
        assert_eq!(human(59_999), "59 s");
        assert_eq!(human(125_000), "2 m 05 s");
        assert_eq!(human(3_725_000), "1 h 02 m");
        assert_eq!(human(273_600_000), "3 d 04 h");
        assert_eq!(millis(0.42), "0.4 ms");
        assert_eq!(millis(1_500.0), "1.5 s");
        assert_eq!(seconds(f64::NAN), "0 ms");
    }
}

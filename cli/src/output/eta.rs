//! How long something will take, as a guess that looks like one.

use flotilla_core::forecast::Eta;

/// `10 to 12 s`, `50 s to 2 min`, `1.5 to 2 h`; `?` where nobody knows.
pub(crate) fn range(eta: Option<Eta>) -> String {
    let Some(eta) = eta else {
        return "?".to_owned();
    };
    let (low, unit_of_low) = amount(eta.low_s);
    let (high, unit) = amount(eta.high_s.max(eta.low_s));
    match (low == high, unit_of_low == unit) {
        (true, true) => format!("{high} {unit}"),
        (false, true) => format!("{low} to {high} {unit}"),
        (_, false) => format!("{low} {unit_of_low} to {high} {unit}"),
    }
}

/// In the unit that says it best, with two digits or so.
fn amount(seconds: f64) -> (String, &'static str) {
    let seconds = seconds.max(0.0);
    let (value, unit) = match seconds {
        short if short < 90.0 => (short, "s"),
        longer if longer < 90.0 * 60.0 => (longer / 60.0, "min"),
        long if long < 36.0 * 3600.0 => (long / 3600.0, "h"),
        very_long => (very_long / 86_400.0, "d"),
    };
    let half = (value * 2.0).round() / 2.0;
    let has_half = value < 10.0 && matches!(unit, "h" | "d") && half.fract() > 0.0;
    let text = if has_half {
        format!("{half:.1}")
    } else {
        // Not nothing: it has not ended.
        format!("{:.0}", value.round().max(1.0))
    };
    (text, unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(low_s: f64, high_s: f64) -> String {
        range(Some(Eta { low_s, high_s }))
    }

    #[test]
    fn a_guess_has_two_ends_and_no_more_digits_than_it_deserves() {
        assert_eq!(range(None), "?");
        assert_eq!(text(10.4, 12.0), "10 to 12 s");
        assert_eq!(text(0.01, 0.2), "1 s", "not nothing");
        assert_eq!(text(10.1, 10.2), "10 s");
        assert_eq!(text(50.0, 130.0), "50 s to 2 min");
        assert_eq!(text(170.0, 310.0), "3 to 5 min");
        assert_eq!(text(5_000.0, 7_300.0), "83 min to 2 h");
        assert_eq!(text(5_500.0, 9_100.0), "1.5 to 2.5 h");
        assert_eq!(text(130_000.0, 260_000.0), "1.5 to 3 d");
        assert_eq!(text(90.0, 5.0), "2 min", "its ends are in order");
    }
}

use proptest::prelude::*;

use super::*;

fn at(seconds: f64) -> Timestamp {
    Timestamp::from_millisecond(1_700_000_000_000 + (seconds * 1_000.0) as i64).unwrap()
}

/// A pace of `rate` items per second, observed twice a second up to second 50.
fn steady(rate: u32) -> Pace {
    let mut pace = Pace::default();
    for tick in 1..=100 {
        pace.observe(rate / 2, at(f64::from(tick) / 2.0), at(0.0));
    }
    pace
}

fn outlook(remaining: u32) -> Outlook {
    Outlook {
        remaining,
        retrying: 0,
        waiting: 0,
        held: false,
        rate_limit_per_s: None,
        concurrency: None,
        item_time: None,
        longest_rest: Duration::ZERO,
    }
}

const NOW: f64 = 50.0;

fn said(pace: &Pace, outlook: Outlook) -> Eta {
    eta(pace, &outlook, at(NOW)).unwrap()
}

#[test]
fn a_steady_pace_goes_on() {
    let eta = said(&steady(100), outlook(1_000));
    assert_eq!(eta.low_s, 10.0);
    assert!(10.5 < eta.high_s && eta.high_s < 12.0, "{eta:?}");
}

#[test]
fn what_can_not_be_known_is_not_said() {
    let pace = steady(100);
    for (what, outlook, seconds) in [
        (
            "paused",
            Outlook {
                held: true,
                ..outlook(1_000)
            },
            NOW,
        ),
        (
            "all with others",
            Outlook {
                waiting: 5,
                ..outlook(5)
            },
            NOW,
        ),
        ("nothing left", outlook(0), NOW),
        ("nothing moves", outlook(1_000), NOW + 31.0),
    ] {
        assert_eq!(eta(&pace, &outlook, at(seconds)), None, "{what}");
    }
    assert_eq!(eta(&Pace::default(), &outlook(10), at(NOW)), None, "nothing seen");
}

/// A lower limit shows at once, not when the pace has come down to it.
#[test]
fn limits_hold_from_now_on() {
    let pace = steady(100);
    let limited = said(
        &pace,
        Outlook {
            rate_limit_per_s: Some(20.0),
            ..outlook(1_000)
        },
    );
    assert_eq!(limited.low_s, 50.0);
    let slots = said(
        &pace,
        Outlook {
            concurrency: Some(5),
            item_time: Some(Duration::from_millis(500)),
            ..outlook(1_000)
        },
    );
    assert_eq!(slots.low_s, 100.0);
    let loose = said(
        &pace,
        Outlook {
            rate_limit_per_s: Some(1_000.0),
            ..outlook(1_000)
        },
    );
    assert_eq!(loose, said(&pace, outlook(1_000)));
}

/// The last items can't end before they have rested.
#[test]
fn rests_are_waited_for() {
    let resting = Outlook {
        retrying: 3,
        longest_rest: Duration::from_secs(120),
        ..outlook(3)
    };
    let eta = said(&steady(100), resting);
    assert_eq!((eta.low_s, eta.high_s), (60.0, 120.0));
    // They are not still, they rest.
    assert!(super::eta(&steady(100), &resting, at(NOW + 100.0)).is_some());
    assert!(super::eta(&steady(100), &resting, at(NOW + 121.0)).is_none());
}

/// A repeatable source of noise, about normal: the sum of twelve uniform numbers (xorshift64).
fn noise(state: &mut u64) -> f64 {
    let mut uniform = || {
        *state ^= *state << 13;
        *state ^= *state >> 7;
        *state ^= *state << 17;
        (*state >> 11) as f64 / (1_u64 << 53) as f64
    };
    (0..12).map(|_| uniform()).sum::<f64>() - 6.0
}

/// Fleets whose pace wanders: of a thousand guesses, about half are met by `low_s` and nine of ten by `high_s`.
#[test]
fn the_range_is_what_it_says() {
    let mut state = 0x2545_f491_4f6c_dd1d;
    let (mut by_low, mut by_high, mut width) = (0, 0, 0.0);
    const RUNS: u32 = 1_000;
    for run in 0..RUNS {
        let mut pace = Pace::default();
        let (mut swing, mut second, mut carried) = (0.0, 0.0, 0.0);
        // Twice a second the rate moves by some per cent, and is drawn back to 200 items per second.
        let mut step = |second: f64, pace: &mut Pace| {
            swing = 0.97 * swing + 0.07 * noise(&mut state);
            carried += 100.0 * f64::exp(swing);
            let items = carried as u32;
            carried -= f64::from(items);
            pace.observe(items, at(second), at(0.0));
            items
        };
        while second < 60.0 {
            second += 0.5;
            step(second, &mut pace);
        }
        let remaining = 2_000 + 20 * run;
        let eta = eta(&pace, &outlook(remaining), at(second)).unwrap();
        let (begun, mut left) = (second, i64::from(remaining));
        while left > 0 {
            second += 0.5;
            left -= i64::from(step(second, &mut pace));
        }
        by_low += u32::from(second - begun <= eta.low_s);
        by_high += u32::from(second - begun <= eta.high_s);
        width += (eta.high_s - eta.low_s) / eta.low_s;
    }
    let share = |count| f64::from(count) / f64::from(RUNS);
    let (low, high, width) = (share(by_low), share(by_high), width / f64::from(RUNS));
    assert!(
        (0.35..0.65).contains(&low),
        "by low_s: {low}, by high_s: {high}, {width}"
    );
    assert!(
        (0.80..0.98).contains(&high),
        "by low_s: {low}, by high_s: {high}, {width}"
    );
    assert!(width < 0.6, "{width}");
}

proptest! {
    #[test]
    fn in_order_and_finite(
        steps in prop::collection::vec((0_u32..10_000, 0_u32..5_000), 1..60),
        remaining in 1_u32..1_000_000,
        retrying in 0_u32..10,
        limit in prop::option::of(0.0_f64..1e6),
        concurrency in prop::option::of(0_u32..1_000),
        item_time in prop::option::of((0_u64..100_000).prop_map(Duration::from_millis)),
        rest in (0_u64..1_000).prop_map(Duration::from_secs),
    ) {
        let (mut pace, mut now) = (Pace::default(), 0.0);
        for (settled, step) in steps {
            now += f64::from(step) / 1_000.0;
            pace.observe(settled, at(now), at(0.0));
        }
        let outlook = Outlook {
            retrying,
            rate_limit_per_s: limit,
            concurrency,
            item_time,
            longest_rest: rest,
            ..outlook(remaining)
        };
        if let Some(eta) = eta(&pace, &outlook, at(now)) {
            prop_assert!(0.0 <= eta.low_s && eta.low_s <= eta.high_s && eta.high_s.is_finite(), "{eta:?}");
        }
    }
}

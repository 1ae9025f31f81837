//! How fast a batch moves, and an honest guess of when it will be done.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Seconds after which an observation has lost half of its weight.
const HALF_LIFE_S: f64 = 10.0;
/// Observations closer together are gathered into one.
const MIN_STEP_S: f64 = 0.2;

/// An exponentially weighted rate with its spread: survives restarts because it is stored with the counts, and needs no
/// timer because it is moved by outcomes only.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Pace {
    /// Weighted items.
    items: f64,
    /// Weighted seconds.
    seconds: f64,
    /// Weighted squared deviation of the rate.
    variance: f64,
    /// Items not yet part of an observation.
    gathered: u32,
    /// When the last observation ended.
    since: Option<Timestamp>,
}

/// When the rest will be done, in seconds from now.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Eta {
    /// If it goes well.
    pub low_s: f64,
    /// If it doesn't.
    pub high_s: f64,
}

impl Pace {
    /// `settled` items got a terminal state by `now`. `start` is when the first one could have begun.
    pub fn observe(&mut self, settled: u32, now: Timestamp, start: Timestamp) {
        self.gathered = self.gathered.saturating_add(settled);
        let since = *self.since.get_or_insert(start);
        let step = seconds_between(since, now);
        if step < MIN_STEP_S {
            return;
        }
        let keep = 0.5_f64.powf(step / HALF_LIFE_S);
        let rate = f64::from(self.gathered) / step;
        let off = if self.seconds > 0.0 {
            rate - self.items / self.seconds
        } else {
            0.0
        };
        self.items = self.items * keep + f64::from(self.gathered);
        self.seconds = self.seconds * keep + step;
        self.variance = self.variance * keep + off * off * (1.0 - keep);
        self.gathered = 0;
        self.since = Some(now);
    }

    /// Items per second of late; 0 before there is an observation.
    #[must_use]
    pub fn rate_per_s(&self) -> f64 {
        if self.seconds > 0.0 {
            self.items / self.seconds
        } else {
            0.0
        }
    }

    /// When `remaining` items will be done at this pace. `None` where that would be a guess out of thin air: nothing
    /// observed, or nothing moved for a while. The range is a standard deviation wide, and at least a tenth either way.
    #[must_use]
    pub fn eta(&self, remaining: u32, now: Timestamp) -> Option<Eta> {
        let rate = self.rate_per_s();
        let idle = seconds_between(self.since?, now);
        if rate <= 0.0 || remaining == 0 || idle > 30.0_f64.max(3.0 / rate) {
            return None;
        }
        let spread = (self.variance.sqrt() / rate).clamp(0.1, 0.8);
        let middle = f64::from(remaining) / rate;
        Some(Eta {
            low_s: tenths(middle / (1.0 + spread)),
            high_s: tenths(middle / (1.0 - spread)),
        })
    }
}

fn seconds_between(from: Timestamp, to: Timestamp) -> f64 {
    Duration::try_from(to.duration_since(from))
        .unwrap_or_default()
        .as_secs_f64()
}

fn tenths(seconds: f64) -> f64 {
    (seconds * 10.0).round() / 10.0
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_millisecond(1_700_000_000_000 + ms).unwrap()
    }

    #[test]
    fn a_steady_pace_is_read_back() {
        let mut pace = Pace::default();
        for tick in 1..=100 {
            pace.observe(50, at(tick * 500), at(0));
        }
        assert!((pace.rate_per_s() - 100.0).abs() < 1.0);
        let eta = pace.eta(1_000, at(50_000)).unwrap();
        assert!(
            eta.low_s < 10.0 && 10.0 < eta.high_s && eta.high_s < 12.0,
            "{eta:?}"
        );
        assert_eq!(
            pace.eta(1_000, at(200_000)),
            None,
            "nothing has moved for too long"
        );
    }

    proptest! {
        #[test]
        fn never_negative_and_in_order(steps in prop::collection::vec((0_u32..10_000, 0_i64..5_000), 1..60), remaining in 1_u32..1_000_000) {
            let (mut pace, mut now) = (Pace::default(), 0);
            for (settled, step) in steps {
                now += step;
                pace.observe(settled, at(now), at(0));
            }
            prop_assert!(pace.rate_per_s() >= 0.0);
            if let Some(eta) = pace.eta(remaining, at(now)) {
                prop_assert!(0.0 <= eta.low_s && eta.low_s <= eta.high_s && eta.high_s.is_finite());
            }
        }
    }
}

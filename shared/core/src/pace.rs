//! How fast a batch moves.

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

impl Pace {
    /// Seconds that an observation counts for.
    pub(crate) const MEMORY_S: f64 = HALF_LIFE_S / std::f64::consts::LN_2;

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

    /// How much the rate swings, as a share of it: the standard deviation of what was observed.
    #[must_use]
    pub fn spread(&self) -> f64 {
        let rate = self.rate_per_s();
        if rate > 0.0 {
            self.variance.sqrt() / rate
        } else {
            0.0
        }
    }

    /// How long nothing was observed. `None` where nothing ever was.
    #[must_use]
    pub fn still_for(&self, now: Timestamp) -> Option<Duration> {
        let still = now.duration_since(self.since?);
        Some(Duration::try_from(still).unwrap_or_default())
    }
}

fn seconds_between(from: Timestamp, to: Timestamp) -> f64 {
    Duration::try_from(to.duration_since(from))
        .unwrap_or_default()
        .as_secs_f64()
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
        assert!(pace.spread() < 0.01);
        assert_eq!(pace.still_for(at(53_000)), Some(Duration::from_secs(3)));
        assert_eq!(Pace::default().still_for(at(0)), None);
    }

    proptest! {
        #[test]
        fn never_negative(steps in prop::collection::vec((0_u32..10_000, 0_i64..5_000), 1..60)) {
            let (mut pace, mut now) = (Pace::default(), 0);
            for (settled, step) in steps {
                now += step;
                pace.observe(settled, at(now), at(0));
            }
            prop_assert!(pace.rate_per_s() >= 0.0);
            prop_assert!(pace.spread() >= 0.0 && pace.spread().is_finite());
        }
    }
}

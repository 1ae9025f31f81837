//! Durations of a million items in a few hundred bytes.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Counts of durations in buckets that grow by a sixteenth of a power of two, so that a percentile is within about 4 %
/// of the true value. Serialized as a sparse map, small enough to live in a row.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Histogram(BTreeMap<u16, u32>);

/// Buckets per power of two.
const STEPS: u32 = 16;

impl Histogram {
    /// Counts one duration, in microseconds.
    pub fn record(&mut self, us: u64) {
        let count = self.0.entry(bucket(us)).or_default();
        *count = count.saturating_add(1);
    }

    /// Takes one duration back that was counted.
    pub fn forget(&mut self, us: u64) {
        let bucket = bucket(us);
        if let Some(count) = self.0.get_mut(&bucket) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                self.0.remove(&bucket);
            }
        }
    }

    /// How many durations were counted.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.0.values().map(|&n| u64::from(n)).sum()
    }

    /// The duration that `share` (0 to 1) of all are at or under, in microseconds. `None` when nothing was recorded.
    #[must_use]
    pub fn percentile(&self, share: f64) -> Option<u64> {
        let total = self.count();
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "a rank between 1 and total"
        )]
        let rank = ((total as f64 * share).ceil() as u64).clamp(1, total.max(1));
        let mut seen = 0;
        self.0.iter().find_map(|(&index, &n)| {
            seen += u64::from(n);
            (seen >= rank).then(|| middle(index))
        })
    }
}

/// Exact below 16, then 16 buckets to each power of two.
fn bucket(us: u64) -> u16 {
    if us < u64::from(STEPS) {
        return us as u16;
    }
    let power = us.ilog2();
    let step = (us >> (power - 4)) as u32 - STEPS;
    ((power - 3) * STEPS + step) as u16
}

/// The middle of a bucket.
fn middle(index: u16) -> u64 {
    let index = u32::from(index);
    if index < STEPS {
        return u64::from(index);
    }
    let (power, step) = (index / STEPS + 3, index % STEPS);
    let width = 1_u64 << (power - 4);
    (u64::from(STEPS + step) << (power - 4)) + width / 2
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn nothing_recorded_has_no_percentile() {
        assert_eq!(Histogram::default().percentile(0.5), None);
    }

    proptest! {
        #[test]
        fn percentiles_are_close(mut values in prop::collection::vec(0_u64..100_000_000, 1..300), share in 0.0..=1.0_f64) {
            let mut histogram = Histogram::default();
            values.iter().for_each(|&v| histogram.record(v));
            values.sort_unstable();
            let rank = ((values.len() as f64 * share).ceil() as usize).clamp(1, values.len());
            let exact = values[rank - 1] as f64;
            let estimate = histogram.percentile(share).unwrap() as f64;
            prop_assert!((estimate - exact).abs() <= exact * 0.04 + 0.5, "{estimate} for {exact}");
        }

        #[test]
        fn any_duration_has_a_bucket(us in any::<u64>()) {
            let back = middle(bucket(us)) as f64;
            prop_assert!((back - us as f64).abs() <= us as f64 * 0.04);
        }
    }
}

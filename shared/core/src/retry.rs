//! When a failed attempt is repeated.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::ids::{BatchId, ItemIndex};

/// The longest that a handler may put the next attempt off.
pub const MAX_RETRY_AFTER: Duration = Duration::from_secs(24 * 3600);

/// How long an item rests between two attempts: exponential with full jitter, so that items which failed together do
/// not come back together (Brooker, "Exponential Backoff And Jitter", 2015).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Backoff {
    /// The bound of the rest after the first attempt; it doubles with each further one. Default 1 second.
    #[serde(default = "one_second", with = "crate::job_type::duration")]
    pub initial: Duration,
    /// The bound never grows over this. Default 5 minutes.
    #[serde(default = "five_minutes", with = "crate::job_type::duration")]
    pub max: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Self {
            initial: one_second(),
            max: five_minutes(),
        }
    }
}

fn one_second() -> Duration {
    Duration::from_secs(1)
}

fn five_minutes() -> Duration {
    Duration::from_secs(300)
}

impl Backoff {
    /// The longest rest after `attempt`, the first of which is 1.
    #[must_use]
    pub fn bound(&self, attempt: u16) -> Duration {
        let doublings = u32::from(attempt.saturating_sub(1)).min(31);
        self.initial.saturating_mul(1 << doublings).min(self.max)
    }

    /// When the attempt after `attempt` is due. `share`, 0 to 1, is the jitter. Where the handler said how long to wait,
    /// that is waited, and the jitter comes on top, within the first bound.
    #[must_use]
    pub fn due_at(&self, attempt: u16, after: Option<Duration>, share: f64, now: Timestamp) -> Timestamp {
        let share = share.clamp(0.0, 1.0);
        let rest = match after {
            Some(after) => after.min(MAX_RETRY_AFTER) + self.initial.min(self.max).mul_f64(share),
            None => self.bound(attempt).mul_f64(share),
        };
        let rest = SignedDuration::try_from(rest).unwrap_or(SignedDuration::MAX);
        now.saturating_add(rest).unwrap_or(Timestamp::MAX)
    }
}

/// The jitter of one attempt: evenly spread over 0 to 1, and the same whoever asks, so that a report which is delivered
/// twice decides the same twice.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "53 bits fit")]
pub fn jitter(batch: BatchId, index: ItemIndex, attempt: u16) -> f64 {
    let digest = Sha256::new()
        .chain_update(batch.0.as_bytes())
        .chain_update(index.to_be_bytes())
        .chain_update(attempt.to_be_bytes())
        .finalize();
    let mut head = [0; 8];
    head.copy_from_slice(&digest[..8]);
    (u64::from_be_bytes(head) >> 11) as f64 / (1_u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOW: Timestamp = Timestamp::UNIX_EPOCH;

    fn rest(backoff: Backoff, attempt: u16, after: Option<u64>, share: f64) -> f64 {
        let due = backoff.due_at(attempt, after.map(Duration::from_secs), share, NOW);
        due.duration_since(NOW).as_secs_f64()
    }

    #[test]
    fn doubles_up_to_its_bound() {
        let backoff = Backoff {
            initial: Duration::from_secs(1),
            max: Duration::from_secs(10),
        };
        let bounds = [1, 2, 3, 4, 5, u16::MAX].map(|attempt| rest(backoff, attempt, None, 1.0));
        assert_eq!(bounds, [1.0, 2.0, 4.0, 8.0, 10.0, 10.0]);
        assert_eq!(rest(backoff, 1, Some(30), 0.0), 30.0);
        assert_eq!(rest(backoff, 9, Some(30), 0.5), 30.5);
    }

    #[test]
    fn jitter_is_spread_evenly() {
        let mut tenths = [0_u32; 10];
        for index in 0..10_000 {
            let share = jitter(BatchId(uuid::Uuid::nil()), index, 1);
            tenths[(share * 10.0) as usize] += 1;
        }
        assert!(
            tenths.iter().all(|&count| count.abs_diff(1_000) < 150),
            "{tenths:?}"
        );
    }

    proptest! {
        #[test]
        fn is_never_early_and_never_over_its_bound(
            initial in 0_u64..100_000, max in 0_u64..10_000_000, attempt in any::<u16>(),
            after in proptest::option::of(0_u64..200_000), share in 0.0_f64..=1.0,
        ) {
            let backoff = Backoff { initial: Duration::from_millis(initial), max: Duration::from_millis(max) };
            let rest = rest(backoff, attempt, after, share);
            let asked = after.unwrap_or(0).min(86_400) as f64;
            prop_assert!(rest >= asked);
            prop_assert!(rest <= asked + max as f64 / 1000.0 + 1e-6);
        }
    }
}

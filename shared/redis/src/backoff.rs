//! How long to leave a server alone that could not be reached.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rand::RngExt;
use rand::rngs::StdRng;

const FIRST: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_secs(5);

/// Pauses that double, up to a limit, and differ between processes so that they don't all come back at once.
#[derive(Debug)]
pub(crate) struct Backoff(Mutex<StdRng>);

impl Backoff {
    /// With a seed from the operating system.
    pub(crate) fn new() -> Self {
        Self(Mutex::new(rand::make_rng()))
    }

    /// The pause after so many failures in a row: between half of the full pause and all of it.
    pub(crate) fn pause(&self, failures: u32) -> Duration {
        let share = self
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .random_range(0.5..=1.0);
        full(failures).mul_f64(share)
    }
}

fn full(failures: u32) -> Duration {
    let doublings = failures.saturating_sub(1).min(16);
    FIRST.saturating_mul(1 << doublings).min(LONGEST)
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;

    #[test]
    fn pauses_grow_and_end_at_the_limit() {
        let backoff = Backoff(Mutex::new(StdRng::seed_from_u64(1)));
        for failures in [1, 2, 5, 50, u32::MAX] {
            let pause = backoff.pause(failures);
            assert!(
                full(failures) / 2 <= pause && pause <= full(failures),
                "{pause:?}"
            );
        }
        assert_eq!((full(1), full(2), full(50)), (FIRST, FIRST * 2, LONGEST));
    }
}

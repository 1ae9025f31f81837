//! How long to wait before the next attempt.

use std::time::Duration;

use rand::RngExt;
use rand::rngs::StdRng;

/// The first pause is at most this long.
const FIRST: Duration = Duration::from_millis(100);

/// Exponential, with full jitter: after a restart of the broker, a thousand clients come back spread out in time.
#[derive(Debug)]
pub(crate) struct Backoff {
    random: StdRng,
    max: Duration,
    ceiling: Duration,
}

impl Backoff {
    /// Pauses of at most `max`, from random numbers that the operating system seeds.
    pub(crate) fn new(max: Duration) -> Self {
        Self::with(rand::make_rng(), max)
    }

    fn with(random: StdRng, max: Duration) -> Self {
        let ceiling = FIRST.min(max);
        Self { random, max, ceiling }
    }

    /// The next pause: anything between nothing and a ceiling that doubles every time.
    pub(crate) fn pause(&mut self) -> Duration {
        let pause = self.ceiling.mul_f64(self.random.random::<f64>());
        self.ceiling = (self.ceiling * 2).min(self.max);
        pause
    }

    /// The last attempt was a success.
    pub(crate) fn reset(&mut self) {
        self.ceiling = FIRST.min(self.max);
    }

    /// The longest pause there can be.
    pub(crate) fn max(&self) -> Duration {
        self.max
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;

    #[test]
    fn pauses_grow_to_the_limit_and_differ() {
        let max = Duration::from_secs(5);
        let mut backoff = Backoff::with(StdRng::seed_from_u64(1), max);
        let pauses: Vec<_> = (0..200).map(|_| backoff.pause()).collect();
        assert!(pauses[0] <= FIRST && pauses[1] <= FIRST * 2);
        assert!(pauses.iter().all(|pause| *pause <= max));
        assert!(pauses[10..].iter().any(|pause| *pause > max.mul_f64(0.9)));
        assert!(pauses[10..].iter().any(|pause| *pause < max.mul_f64(0.1)));
        backoff.reset();
        assert!(backoff.pause() <= FIRST);
    }
}

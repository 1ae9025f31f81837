//! Time as a dependency. Wall-clock time is only ever shown and compared coarsely (leases, ages); durations are
//! measured with `tokio::time::Instant`, which tests can pause.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

use crate::error::Result;

/// Tells the time. Shared by every service of a process.
pub trait Clock: Send + Sync + std::fmt::Debug {
    /// The present instant, UTC.
    fn now(&self) -> Timestamp;
}

/// The machine's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place that reads the wall clock"
    )]
    fn now(&self) -> Timestamp {
        // PostgreSQL keeps microseconds: what is written reads back equal.
        let now = Timestamp::now();
        Timestamp::from_microsecond(now.as_microsecond()).unwrap_or(now)
    }
}

/// The store's clock, as far as it is known: leases, rests and deadlines are written by one process and compared by
/// another, and machines disagree. Between two questions it goes on evenly, whatever happens to the machine's own clock.
/// Before the first answer it shows what that does.
#[derive(Debug, Default)]
pub struct StoreClock(Mutex<Option<(Timestamp, Instant)>>);

impl StoreClock {
    /// An answer that took longer says too little.
    const PATIENCE: Duration = Duration::from_secs(2);

    /// Asks the store, by `ask`, and goes by what it says. An answer is taken for the middle of the time that it took.
    ///
    /// # Errors
    /// That of the store. The clock goes on as before.
    pub async fn follow(&self, ask: impl Future<Output = Result<Timestamp>>) -> Result<()> {
        let asked = Instant::now();
        let answer = ask.await?;
        let took = asked.elapsed();
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if took < Self::PATIENCE || known.is_none() {
            *known = Some((answer, asked + took / 2));
        }
        Ok(())
    }
}

impl Clock for StoreClock {
    fn now(&self) -> Timestamp {
        let known = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some((then, since)) = known else {
            return SystemClock.now();
        };
        let passed = Duration::from_micros(u64::try_from(since.elapsed().as_micros()).unwrap_or(u64::MAX));
        let passed = SignedDuration::try_from(passed).unwrap_or(SignedDuration::MAX);
        then.saturating_add(passed).unwrap_or(Timestamp::MAX)
    }
}

/// A clock that moves only when told to.
#[derive(Debug)]
pub struct ManualClock(Mutex<Timestamp>);

impl ManualClock {
    /// A clock that stands at `at`.
    #[must_use]
    pub fn new(at: Timestamp) -> Self {
        Self(Mutex::new(at))
    }

    /// Moves the clock forward.
    pub fn advance(&self, by: SignedDuration) {
        let mut now = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *now = now.checked_add(by).unwrap_or(Timestamp::MAX);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Error;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    /// The store is decades away from this machine.
    #[tokio::test(start_paused = true)]
    async fn the_time_is_that_of_the_store() {
        let clock = StoreClock::default();
        let own = SystemClock.now();
        assert!(clock.now() >= own, "nobody was asked yet");
        clock.follow(async { Ok(at(1_000)) }).await.unwrap();
        assert_eq!(clock.now(), at(1_000));
        tokio::time::advance(Duration::from_secs(60)).await;
        assert_eq!(clock.now(), at(1_060), "it goes on by itself");
        clock
            .follow(async { Err(Error::unavailable("test", "away")) })
            .await
            .unwrap_err();
        assert_eq!(clock.now(), at(1_060), "also while the store is away");
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_answer_says_little() {
        let clock = StoreClock::default();
        let answer = |time, took| async move {
            tokio::time::sleep(Duration::from_secs(took)).await;
            Ok(at(time))
        };
        clock.follow(answer(1_000, 4)).await.unwrap();
        assert_eq!(clock.now(), at(1_002), "better than none");
        clock.follow(answer(9_000, 3)).await.unwrap();
        assert_eq!(clock.now(), at(1_005), "not better than what is known");
        clock.follow(answer(9_000, 0)).await.unwrap();
        assert_eq!(clock.now(), at(9_000));
    }
}

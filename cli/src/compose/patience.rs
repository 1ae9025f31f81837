//! Waits for engines that can't be reached yet.

use std::time::Duration;

use flotilla_core::{Result, Shutdown};
use tokio::time::Instant;

/// The first pause between two attempts.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// The longest one.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
/// How often it is said that something is waited for.
const SAY_EVERY: Duration = Duration::from_secs(3);

/// The process was told to stop before its engines were there. That is no failure of anybody.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("stopped while waiting for {0}")]
pub(crate) struct Interrupted(String);

/// How long to wait for engines at start.
#[derive(Debug, Clone)]
pub(crate) struct Patience {
    /// In all, over every engine.
    pub(crate) until: Instant,
    /// Ends the waiting.
    pub(crate) shutdown: Shutdown,
}

impl Patience {
    /// Tries until it works, is refused, or takes too long. Refused is what trying again can't cure: wrong
    /// credentials, a missing schema.
    ///
    /// # Errors
    /// Outside, where the process is told to stop first; inside, what the engine said.
    pub(crate) async fn obtain<T>(
        &self,
        place: &str,
        mut attempt: impl AsyncFnMut() -> Result<T>,
    ) -> Result<Result<T>, Interrupted> {
        let mut pause = FIRST_PAUSE;
        let mut say_at = Instant::now();
        loop {
            let error = match self.once(&mut attempt).await {
                Some(Err(error)) if error.is_transient() => error,
                Some(done) => return Ok(done),
                None => return Err(Interrupted(place.to_owned())),
            };
            let now = Instant::now();
            if now >= self.until {
                return Ok(Err(error));
            }
            let left = (self.until - now).as_secs();
            if now >= say_at && left > 0 {
                say_at = now + SAY_EVERY;
                tracing::warn!(
                    engine = error.engine(),
                    at = place,
                    error = error.chain(),
                    "waiting up to {left} s for {}",
                    error.engine()
                );
            }
            let pause_now = pause.min(self.until - now);
            pause = (pause * 2).min(LONGEST_PAUSE);
            if self
                .shutdown
                .until_draining(tokio::time::sleep(pause_now))
                .await
                .is_none()
            {
                return Err(Interrupted(place.to_owned()));
            }
        }
    }

    async fn once<T>(&self, attempt: &mut impl AsyncFnMut() -> Result<T>) -> Option<Result<T>> {
        self.shutdown.until_draining(attempt()).await
    }
}

#[cfg(test)]
mod tests {
    use flotilla_core::{Error, ErrorKind};

    use super::*;

    fn patience(wait: Duration) -> Patience {
        Patience {
            until: Instant::now() + wait,
            shutdown: Shutdown::new(),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_engine_that_comes_up_late_is_waited_for() {
        let mut attempts = 0;
        let outcome = patience(Duration::from_secs(30))
            .obtain("x://y", async || {
                attempts += 1;
                if attempts < 5 {
                    Err(Error::unavailable("X", "can't reach it"))
                } else {
                    Ok(attempts)
                }
            })
            .await;
        assert_eq!(outcome.unwrap().unwrap(), 5);
    }

    #[tokio::test(start_paused = true)]
    async fn patience_ends() {
        let started = Instant::now();
        let outcome: Result<Result<()>, _> = patience(Duration::from_secs(30))
            .obtain("x://y", async || Err(Error::unavailable("X", "can't reach it")))
            .await;
        assert!(outcome.unwrap().unwrap_err().is_transient());
        assert_eq!(started.elapsed(), Duration::from_secs(30));
    }

    #[tokio::test(start_paused = true)]
    async fn a_refusal_is_final() {
        let mut attempts = 0;
        let outcome: Result<Result<()>, _> = patience(Duration::from_secs(30))
            .obtain("x://y", async || {
                attempts += 1;
                Err(Error::misconfigured("X", "wrong password"))
            })
            .await;
        assert_eq!(outcome.unwrap().unwrap_err().kind(), ErrorKind::Misconfigured);
        assert_eq!(attempts, 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_stop_ends_the_waiting_and_is_no_failure() {
        let patience = patience(Duration::from_secs(30));
        let waiting = patience.obtain("x://y", async || -> Result<()> {
            Err(Error::unavailable("X", "can't reach it"))
        });
        let stop = async {
            tokio::time::sleep(Duration::from_secs(7)).await;
            patience.shutdown.drain();
        };
        let started = Instant::now();
        let (outcome, ()) = tokio::join!(waiting, stop);
        assert_eq!(outcome.unwrap_err(), Interrupted("x://y".into()));
        assert_eq!(started.elapsed(), Duration::from_secs(7));
    }
}

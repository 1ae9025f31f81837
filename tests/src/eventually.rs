//! Waiting for a condition, with an end.

use std::fmt::Display;
use std::panic::Location;
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout_at};

/// How long to wait between two looks at a condition.
const INTERVAL: Duration = Duration::from_millis(20);

/// Calls `probe` until it returns `Some`, and returns what is in it.
///
/// `what` completes the sentence "waiting for …".
///
/// # Panics
///
/// After `timeout`, even where a single probe hangs.
#[track_caller]
pub fn eventually<T, F, P>(what: &str, timeout: Duration, mut probe: F) -> impl Future<Output = T>
where
    F: FnMut() -> P,
    P: Future<Output = Option<T>>,
{
    eventually_ok(what, timeout, move || {
        let attempt = probe();
        async move { attempt.await.ok_or("it is not so yet") }
    })
}

/// Calls `probe` until it returns `Ok`; the last error is part of the panic message.
///
/// # Panics
///
/// After `timeout`, even where a single probe hangs.
#[track_caller]
pub fn eventually_ok<T, E, F, P>(what: &str, timeout: Duration, mut probe: F) -> impl Future<Output = T>
where
    E: Display,
    F: FnMut() -> P,
    P: Future<Output = Result<T, E>>,
{
    let caller = Location::caller();
    async move {
        let deadline = Instant::now() + timeout;
        let mut attempts = 0_u32;
        let mut last = String::from("the first probe did not return");
        loop {
            match timeout_at(deadline, probe()).await {
                Ok(Ok(value)) => return value,
                Ok(Err(error)) => last = format!("{error:#}"),
                Err(_) if attempts > 0 => last.push_str(" (and the probe after that did not return)"),
                Err(_) => {}
            }
            attempts += 1;
            assert!(
                Instant::now() < deadline,
                "gave up after {timeout:?} and {attempts} probes, waiting for {what}: {last} (asked at {caller})"
            );
            sleep(INTERVAL).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn it_returns_the_first_value() {
        let mut left = 3;
        let value = eventually("the third call", Duration::from_secs(1), || {
            left -= 1;
            let value = (left == 0).then_some("here");
            async move { value }
        })
        .await;
        assert_eq!(value, "here");
    }

    #[tokio::test]
    #[should_panic(expected = "waiting for a miracle: not today")]
    async fn it_gives_up_with_the_last_error() {
        eventually_ok("a miracle", Duration::from_millis(60), || async {
            Err::<(), _>("not today")
        })
        .await;
    }

    #[tokio::test]
    #[should_panic(expected = "the first probe did not return")]
    async fn it_gives_up_on_a_probe_that_hangs() {
        eventually(
            "an answer",
            Duration::from_millis(60),
            std::future::pending::<Option<()>>,
        )
        .await;
    }
}

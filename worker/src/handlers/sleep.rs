//! `sleep`: takes as long as the item says, and ends as the item says.

use std::time::Duration;

use async_trait::async_trait;
use flotilla_core::Json;
use flotilla_core::message::{Verdict, Waiting};
use flotilla_core::outcome::{ItemError, ItemErrorKind};
use serde::Deserialize;

use super::{Handler, failed, verdict};
use crate::item::ItemContext;

/// Sleeps the item's `ms` milliseconds, 0 without one. The output is the input, unless the item asks for another end: for
/// trying Flotilla out, and for testing it.
#[derive(Debug, Clone, Copy, Default)]
pub struct Sleep;

#[derive(Deserialize)]
struct Wish {
    #[serde(default)]
    ms: f64,
    /// Fails, for this reason or without one.
    #[serde(default)]
    fail: Option<Fail>,
    /// Fails no more than this many attempts.
    #[serde(default)]
    fail_attempts: Option<u16>,
    /// Fails for good.
    #[serde(default)]
    permanent: bool,
    /// Fails, and asks not to be attempted again before that.
    #[serde(default)]
    retry_after_ms: Option<u64>,
    /// Waits for a callback.
    #[serde(default)]
    wait: bool,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Fail {
    Flag(bool),
    Because(String),
}

impl Wish {
    /// Why attempt `attempt` fails, where it does.
    fn failure(&self, attempt: u16) -> Option<&str> {
        if self.fail_attempts.is_some_and(|last| attempt > last) {
            return None;
        }
        match &self.fail {
            Some(Fail::Because(reason)) => Some(reason),
            Some(Fail::Flag(false)) => None,
            None if self.fail_attempts.is_none() => None,
            Some(Fail::Flag(true)) | None => Some("the item asked to fail"),
        }
    }
}

#[async_trait]
impl Handler for Sleep {
    async fn handle(&self, item: &ItemContext, input: &Json) -> Verdict {
        verdict(sleep(input, item.attempt).await)
    }
}

async fn sleep(input: &Json, attempt: u16) -> Result<Json, Verdict> {
    let invalid = |reason: String| {
        let expected = r#"expected something like {"ms": 250} or {"ms": 250, "fail": "on purpose"}"#;
        failed(ItemError::new(
            ItemErrorKind::Invalid,
            format!("{expected}: {reason}"),
        ))
    };
    let wish: Wish = input.to().map_err(|error| invalid(error.to_string()))?;
    let time = Duration::try_from_secs_f64(wish.ms / 1000.0).map_err(|error| invalid(error.to_string()))?;
    tokio::time::sleep(time).await;
    match wish.failure(attempt) {
        Some(reason) => {
            let error = ItemError::new(ItemErrorKind::Handler, reason);
            Err(if wish.permanent {
                Verdict::Fail(error)
            } else {
                Verdict::Retry {
                    error,
                    after_ms: wish.retry_after_ms,
                }
            })
        }
        None if wish.wait => Err(Verdict::Waiting(Waiting::default())),
        None => Ok(input.clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn run(text: &str, attempt: u16) -> Result<(), Verdict> {
        sleep(&Json::parse(text).unwrap(), attempt).await.map(drop)
    }

    fn error(reason: &str) -> ItemError {
        ItemError::new(ItemErrorKind::Handler, reason)
    }

    fn retry(reason: &str, after_ms: Option<u64>) -> Verdict {
        Verdict::Retry {
            error: error(reason),
            after_ms,
        }
    }

    #[tokio::test(start_paused = true)]
    async fn takes_as_long_as_the_item_says() {
        let before = tokio::time::Instant::now();
        assert_eq!(run(r#"{"ms": 1500}"#, 1).await, Ok(()));
        assert_eq!(before.elapsed().as_millis(), 1500);
        assert_eq!(run("{}", 1).await, Ok(()));
        for bad in [
            "7",
            r#"{"ms": -1}"#,
            r#"{"ms": "long"}"#,
            r#"{"ms": 1e300}"#,
            r#"{"fail": 1}"#,
        ] {
            assert!(
                matches!(run(bad, 1).await, Err(Verdict::Fail(error)) if error.kind == ItemErrorKind::Invalid),
                "{bad}"
            );
        }
    }

    #[tokio::test(start_paused = true)]
    async fn ends_as_the_item_says() {
        let asked = "the item asked to fail";
        for (text, attempt, expected) in [
            (r#"{"fail": "no luck"}"#, 9, Err(retry("no luck", None))),
            (r#"{"fail": true}"#, 1, Err(retry(asked, None))),
            (r#"{"fail": false, "fail_attempts": 3}"#, 1, Ok(())),
            (r#"{"fail_attempts": 2}"#, 2, Err(retry(asked, None))),
            (r#"{"fail_attempts": 2}"#, 3, Ok(())),
            (r#"{"fail": "x", "fail_attempts": 1}"#, 1, Err(retry("x", None))),
            (r#"{"fail": "x", "fail_attempts": 1}"#, 2, Ok(())),
            (
                r#"{"fail": true, "retry_after_ms": 70}"#,
                1,
                Err(retry(asked, Some(70))),
            ),
            (
                r#"{"fail": "x", "permanent": true}"#,
                1,
                Err(Verdict::Fail(error("x"))),
            ),
            (r#"{"wait": true}"#, 1, Err(Verdict::Waiting(Waiting::default()))),
            (
                r#"{"wait": true, "fail_attempts": 1}"#,
                1,
                Err(retry(asked, None)),
            ),
        ] {
            assert_eq!(run(text, attempt).await, expected, "{text}");
        }
    }
}

//! `sleep`: takes as long as the item says, and fails if it says so.

use std::time::Duration;

use async_trait::async_trait;
use flotilla_core::Json;
use flotilla_core::message::Verdict;
use flotilla_core::outcome::{ItemError, ItemErrorKind};
use serde::Deserialize;

use super::Handler;
use crate::item::ItemContext;

/// Sleeps the item's `ms` milliseconds, 0 without one; then fails if `fail` is true or a text. The output is the input.
#[derive(Debug, Clone, Copy, Default)]
pub struct Sleep;

#[derive(Deserialize)]
struct Wish {
    #[serde(default)]
    ms: f64,
    #[serde(default)]
    fail: Fail,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Fail {
    Flag(bool),
    Because(String),
}

impl Default for Fail {
    fn default() -> Self {
        Self::Flag(false)
    }
}

#[async_trait]
impl Handler for Sleep {
    async fn handle(&self, _item: &ItemContext, input: &Json) -> Verdict {
        sleep(input).await.map(|()| input.clone()).into()
    }
}

async fn sleep(input: &Json) -> Result<(), ItemError> {
    let invalid = |reason: String| {
        let expected = r#"expected something like {"ms": 250} or {"ms": 250, "fail": "on purpose"}"#;
        ItemError::new(ItemErrorKind::Invalid, format!("{expected}: {reason}"))
    };
    let wish: Wish = input.to().map_err(|error| invalid(error.to_string()))?;
    let time = Duration::try_from_secs_f64(wish.ms / 1000.0).map_err(|error| invalid(error.to_string()))?;
    tokio::time::sleep(time).await;
    match wish.fail {
        Fail::Flag(false) => Ok(()),
        Fail::Flag(true) => Err(ItemError::new(ItemErrorKind::Handler, "the item asked to fail")),
        Fail::Because(reason) => Err(ItemError::new(ItemErrorKind::Handler, reason)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn does_what_the_item_says() {
        let run = async |text: &str| sleep(&Json::parse(text).unwrap()).await;
        let before = tokio::time::Instant::now();
        assert_eq!(run(r#"{"ms": 1500}"#).await, Ok(()));
        assert_eq!(before.elapsed().as_millis(), 1500);
        assert_eq!(run("{}").await, Ok(()));
        let failed = run(r#"{"fail": "no luck"}"#).await.unwrap_err();
        assert_eq!(
            (failed.kind, failed.message.as_str()),
            (ItemErrorKind::Handler, "no luck")
        );
        for bad in [
            "7",
            r#"{"ms": -1}"#,
            r#"{"ms": "long"}"#,
            r#"{"ms": 1e300}"#,
            r#"{"fail": 1}"#,
        ] {
            assert_eq!(run(bad).await.unwrap_err().kind, ItemErrorKind::Invalid, "{bad}");
        }
    }
}

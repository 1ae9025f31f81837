//! What `exec` in lines mode and its processes say to each other: a line of JSON each way.

use flotilla_core::Json;
use flotilla_core::message::{Verdict, Waiting};
use flotilla_core::outcome::{ItemError, ItemErrorKind};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::item::ItemContext;

/// The line that a process gets, without the line break.
pub(super) fn question(
    item: &ItemContext,
    input: &Json,
    envelope: bool,
    artifacts: Option<String>,
) -> String {
    if !envelope {
        return input.compact().into_owned();
    }
    let envelope = Envelope {
        key: item.key(),
        batch: item.batch.to_string(),
        index: item.index,
        attempt: item.attempt,
        max_attempts: item.max_attempts,
        traceparent: item.traceparent.as_deref(),
        callback_url: item.callback.as_deref(),
        artifacts,
        artifacts_prefix: item.artifacts_prefix(),
        input,
    };
    // All of it has a JSON form; an input with line breaks is made one line.
    let line = Json::of(&envelope).unwrap_or_else(|_| Json::null());
    line.compact().into_owned()
}

#[derive(Serialize)]
struct Envelope<'a> {
    key: String,
    batch: String,
    index: u32,
    attempt: u16,
    max_attempts: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    traceparent: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    callback_url: Option<&'a str>,
    /// A folder for files.
    #[serde(skip_serializing_if = "Option::is_none")]
    artifacts: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    artifacts_prefix: Option<String>,
    input: &'a Json,
}

/// A line is the output as it is, unless it is a [`Refusal`], or a [`Promise`] where the item can be completed by callback.
pub(super) fn answer(line: Vec<u8>, item: &ItemContext) -> Result<Json, Verdict> {
    let answer = Json::parse_bytes(line).map_err(|error| {
        Verdict::Fail(ItemError::new(
            ItemErrorKind::Output,
            format!(
                "the process answered with a line that is not JSON ({error}); other text belongs on stderr"
            ),
        ))
    })?;
    if let Ok(refusal) = answer.to::<Refusal<'_>>() {
        return Err(refusal.verdict());
    }
    if item.callback.is_some()
        && let Ok(promise) = answer.to::<Promise>()
        && let Some(waiting) = promise.waiting()
    {
        return Err(Verdict::Waiting(waiting));
    }
    Ok(answer)
}

/// The attempt failed: `{"error": …}`, and whether and when to try again.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Refusal<'a> {
    #[serde(borrow)]
    error: &'a RawValue,
    #[serde(default)]
    permanent: bool,
    #[serde(default)]
    retry_after_ms: Option<u64>,
}

impl Refusal<'_> {
    fn verdict(self) -> Verdict {
        let text = self.error.get();
        let message: String = serde_json::from_str(text).unwrap_or_else(|_| text.to_owned());
        let error = ItemError::new(ItemErrorKind::Handler, message);
        if self.permanent {
            Verdict::Fail(error)
        } else {
            Verdict::Retry {
                error,
                after_ms: self.retry_after_ms,
            }
        }
    }
}

/// Something else will complete the item: `{"waiting": true}`, or an object that says more.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Promise {
    waiting: Told,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Told {
    Flag(bool),
    More(Waiting),
}

impl Promise {
    fn waiting(self) -> Option<Waiting> {
        match self.waiting {
            Told::Flag(waits) => waits.then(Waiting::default),
            Told::More(waiting) => Some(waiting),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use flotilla_core::message::ItemMessage;
    use flotilla_core::{BatchId, Pool, Space};

    use super::*;

    fn item(callback: Option<&str>) -> ItemContext {
        ItemContext::new(&ItemMessage {
            batch: BatchId(uuid::Uuid::from_u128(7)),
            index: 12,
            attempt: 2,
            max_attempts: 3,
            timeout: Duration::from_secs(1),
            space: Space::default(),
            job_type: "lines".into(),
            pool: Pool::default(),
            traceparent: None,
            epoch: 0,
            isolated: false,
            callback: callback.map(str::to_owned),
            input: Json::null(),
        })
    }

    fn read(line: &str, callback: Option<&str>) -> Result<String, Verdict> {
        answer(line.into(), &item(callback)).map(Json::into_string)
    }

    fn retry(message: &str, after_ms: Option<u64>) -> Verdict {
        Verdict::Retry {
            error: ItemError::new(ItemErrorKind::Handler, message),
            after_ms,
        }
    }

    #[test]
    fn an_answer_is_output_or_an_error() {
        for output in [
            r#"{"error": null, "x": 1}"#,
            "null",
            r#"{"waiting": true}"#,
            r#"{"permanent": true}"#,
        ] {
            assert_eq!(read(output, None).as_deref(), Ok(output));
        }
        assert_eq!(read("null\r", None).as_deref(), Ok("null"));
        let refused = |line| read(line, None).unwrap_err();
        assert_eq!(refused(r#"{"error": "no \"luck\""}"#), retry("no \"luck\"", None));
        assert_eq!(
            refused(r#"{"error": {"code": 7}}"#),
            retry(r#"{"code": 7}"#, None)
        );
        assert_eq!(
            refused(r#"{"error": "busy", "retry_after_ms": 1500}"#),
            retry("busy", Some(1_500))
        );
        let bad = ItemError::new(ItemErrorKind::Handler, "bad");
        assert_eq!(
            refused(r#"{"permanent": true, "error": "bad"}"#),
            Verdict::Fail(bad)
        );
        for bad in ["", "loading model…", "{} {}"] {
            assert!(
                matches!(refused(bad), Verdict::Fail(error) if error.kind == ItemErrorKind::Output),
                "{bad:?}"
            );
        }
    }

    #[test]
    fn an_item_waits_where_it_can_be_called_back() {
        let read = |line| read(line, Some("http://x"));
        let waiting = |line| read(line).unwrap_err();
        assert_eq!(
            waiting(r#"{"waiting": true}"#),
            Verdict::Waiting(Waiting::default())
        );
        assert_eq!(
            waiting(r#"{"waiting": {"timeout_ms": 500, "message": "rendering"}}"#),
            Verdict::Waiting(Waiting {
                timeout_ms: Some(500),
                progress: None,
                message: Some("rendering".into())
            })
        );
        for output in [r#"{"waiting": false}"#, r#"{"waiting": true, "id": 3}"#, "true"] {
            assert_eq!(read(output).as_deref(), Ok(output));
        }
    }

    #[test]
    fn an_envelope_is_one_line() {
        let input = Json::parse("{\n \"a\": 1.50\n}").unwrap();
        assert_eq!(question(&item(None), &input, false, None), r#"{"a":1.50}"#);
        assert_eq!(
            question(&item(Some("http://x/y")), &input, true, None),
            r#"{"key":"00000000-0000-0000-0000-000000000007:12","batch":"00000000-0000-0000-0000-000000000007","index":12,"attempt":2,"max_attempts":3,"callback_url":"http://x/y","input":{"a":1.50}}"#
        );
        let line = question(&item(None), &input, true, Some("/tmp/x".into()));
        assert!(line.contains(r#""artifacts":"/tmp/x","input""#), "{line}");
    }
}

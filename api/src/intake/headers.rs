//! What the headers of an upload say, besides its format.

use axum::http::header::CONTENT_LENGTH;
use axum::http::{HeaderMap, HeaderName};
use flotilla_core::Propagator;
use tracing::Span;

use super::body::too_large;
use crate::problem::{Kind, Problem};

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const MAX_KEY_BYTES: usize = 255;

/// The trace that the items will continue.
pub(crate) fn traceparent(trace: &dyn Propagator, headers: &HeaderMap) -> Option<String> {
    let incoming = headers.get(TRACEPARENT).and_then(|value| value.to_str().ok());
    let current = trace.current(&Span::current());
    // Without traces of our own, what came is passed on; it travels with every item, so only what is one.
    current.or_else(|| incoming.filter(|text| is_traceparent(text)).map(str::to_owned))
}

/// Version, trace id, parent id and flags, in lower-case hexadecimal digits.
fn is_traceparent(text: &str) -> bool {
    let hex = |part: &str| {
        part.bytes()
            .all(|c| c.is_ascii_digit() || (b'a'..=b'f').contains(&c))
    };
    let lengths = text.split('-').map(str::len);
    lengths.eq([2, 32, 16, 2]) && text.split('-').all(hex)
}

/// The producer's key.
///
/// # Errors
/// Where it can't be one.
pub(crate) fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let invalid = |detail: String| Problem::new(Kind::InvalidIdempotencyKey, detail);
    let mut keys = headers.get_all(&IDEMPOTENCY_KEY).iter();
    let Some(key) = keys.next() else {
        return Ok(None);
    };
    if keys.next().is_some() {
        return Err(invalid("send one Idempotency-Key, not several".into()));
    }
    let key = key.as_bytes();
    if !(1..=MAX_KEY_BYTES).contains(&key.len()) || !key.iter().all(u8::is_ascii_graphic) {
        return Err(invalid(format!(
            "it must be 1 to {MAX_KEY_BYTES} visible ASCII characters without blanks"
        )));
    }
    Ok(Some(key.iter().copied().map(char::from).collect()))
}

/// Refuses a body that is announced as too long before any of it is sent.
pub(crate) fn check_length(headers: &HeaderMap, limit: Option<u64>) -> Result<(), Problem> {
    let length = headers
        .get(CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    match (length, limit) {
        (Some(length), Some(limit)) if length > limit => Err(too_large(limit)),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn only_a_trace_context_is_passed_on() {
        assert!(is_traceparent(
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
        ));
        for bad in [
            "",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
            &"00-".repeat(9_000),
        ] {
            assert!(!is_traceparent(bad));
        }
    }

    #[test]
    fn idempotency_keys_are_checked() {
        let read = |keys: &[&str]| {
            let mut headers = HeaderMap::new();
            for key in keys {
                headers.append(IDEMPOTENCY_KEY, HeaderValue::from_str(key).unwrap());
            }
            idempotency_key(&headers)
        };
        assert_eq!(read(&[]).unwrap(), None);
        assert_eq!(
            read(&["import-2026:7"]).unwrap().as_deref(),
            Some("import-2026:7")
        );
        for bad in [&[""][..], &["a b"], &["ä"], &["a", "a"], &[&"x".repeat(256)]] {
            assert_eq!(
                read(bad).unwrap_err().kind(),
                Kind::InvalidIdempotencyKey,
                "{bad:?}"
            );
        }
    }
}

//! What the server refused, or that it can't be reached, in words.

use std::error::Error as _;

use reqwest::StatusCode;
use serde::Deserialize;
use url::Url;

use super::view::ItemError;
use crate::output::{item_errors, text};

/// Longer answers of strangers (a proxy's error page) are cut.
const MAX_FOREIGN: usize = 200;

/// An error that the server answered: problem details (RFC 9457).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.text())]
pub(crate) struct Problem {
    status: StatusCode,
    /// The last part of its type: `unknown-batch`.
    pub(crate) slug: String,
    title: String,
    detail: String,
    line: Option<u64>,
    /// What is wrong with which items: the first of them, and how many there are.
    errors: Vec<ItemError>,
    errors_total: Option<u64>,
}

#[derive(Deserialize)]
struct Document {
    #[serde(rename = "type")]
    kind: String,
    title: String,
    #[serde(default)]
    detail: String,
    #[serde(default)]
    line: Option<u64>,
    #[serde(default)]
    errors: Vec<ItemError>,
    #[serde(default)]
    errors_total: Option<u64>,
}

impl Problem {
    /// Reads the body of an error.
    pub(super) fn parse(status: StatusCode, body: &str) -> Self {
        match serde_json::from_str::<Document>(body) {
            Ok(document) => Self {
                status,
                slug: document.kind.rsplit('/').next().unwrap_or_default().to_owned(),
                title: document.title,
                detail: document.detail,
                line: document.line,
                errors: document.errors,
                errors_total: document.errors_total,
            },
            // Not from Flotilla: a proxy in between, or another server altogether.
            Err(_) => Self {
                status,
                slug: String::new(),
                title: String::new(),
                detail: format!("the server answered {status}: {}", text::clean(body, MAX_FOREIGN)),
                line: None,
                errors: Vec::new(),
                errors_total: None,
            },
        }
    }

    fn text(&self) -> String {
        // The detail says all that the title says, and of what.
        let text = if self.detail.is_empty() {
            &self.title
        } else {
            &self.detail
        };
        if !self.errors.is_empty() {
            let errors = item_errors::describe(&self.errors, self.errors_total);
            return format!("{text}\n{}", errors.trim_end());
        }
        match self.line {
            Some(line) if !text.contains("line") => format!("{text} (line {line})"),
            _ => text.clone(),
        }
    }

    /// True where the same upload may succeed in a while.
    pub(super) fn is_worth_repeating(&self) -> bool {
        self.status.is_server_error()
            || matches!(
                self.status,
                StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS
            )
            || self.slug == "append-in-progress"
    }

    /// True where there is no such thing, whenever one asks.
    pub(crate) fn is_missing(&self) -> bool {
        self.status == StatusCode::NOT_FOUND
    }

    /// True where the same request may succeed in a moment.
    pub(super) fn is_passing(&self) -> bool {
        self.status.is_server_error() && self.status != StatusCode::INTERNAL_SERVER_ERROR
    }
}

/// The server can't be reached.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "can't reach the Flotilla server at {place}: {reason}\n  Start one with `flotilla up`, or name another with --server or FLOTILLA_SERVER."
)]
pub(crate) struct Unreachable {
    place: String,
    reason: String,
}

impl Unreachable {
    pub(super) fn new(base: &Url, error: &reqwest::Error) -> Self {
        Self {
            place: shown(base),
            reason: reason(error),
        }
    }

    /// What broke.
    pub(super) fn reason(&self) -> &str {
        &self.reason
    }

    /// Nothing moved for too long.
    pub(super) fn silent(base: &Url, reason: &str) -> Self {
        Self {
            place: shown(base),
            reason: reason.to_owned(),
        }
    }
}

/// The innermost cause: the outer ones say that a request failed, which is known.
fn reason(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return "it did not answer in time".to_owned();
    }
    let mut cause = error.source();
    let mut text = error.to_string();
    while let Some(inner) = cause {
        text = inner.to_string();
        cause = inner.source();
    }
    text
}

/// A server for people, without credentials.
pub(super) fn shown(base: &Url) -> String {
    let mut base = base.clone();
    // Only fails for URLs that can't have credentials.
    let _ = base.set_username("");
    let _ = base.set_password(None);
    base.to_string().trim_end_matches('/').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_reads_as_a_sentence() {
        let body = r#"{"type":"/problems/invalid-json","title":"The body is not valid JSON","status":400,
            "detail":"expected `,`","instance":"/v1/batches","line":17}"#;
        let problem = Problem::parse(StatusCode::BAD_REQUEST, body);
        assert_eq!(problem.to_string(), "expected `,` (line 17)");
        assert_eq!(problem.slug, "invalid-json");
        assert!(!problem.is_passing());
    }

    #[test]
    fn errors_of_items_stand_one_per_line() {
        let body = r#"{"type":"/problems/invalid-items","title":"Items are not valid","status":422,"detail":"2 items are not valid",
            "line":17,"errors":[{"item":15,"line":17,"pointer":"/age","detail":"must be an integer","expected":"integer"},
            {"item":16,"line":null,"pointer":"","detail":"must be an object"}],"errors_total":2}"#;
        let problem = Problem::parse(StatusCode::UNPROCESSABLE_ENTITY, body);
        assert_eq!(
            problem.to_string(),
            "2 items are not valid\n  line 17, item 15, /age: must be an integer\n  item 16: must be an object"
        );
        assert!(!problem.is_worth_repeating());
    }

    #[test]
    fn a_stranger_is_quoted_without_its_control_characters() {
        let problem = Problem::parse(StatusCode::BAD_GATEWAY, "<h1>\u{1b}[2J502</h1>");
        assert_eq!(
            problem.to_string(),
            "the server answered 502 Bad Gateway: <h1> [2J502</h1>"
        );
        assert!(problem.is_passing());
    }
}

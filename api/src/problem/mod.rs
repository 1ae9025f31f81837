//! Errors as clients get them: problem details, RFC 9457.
//!
//! A [`Problem`] is the one error type of this crate. As a response it is only a status with the problem attached;
//! [`respond`] turns it into a document at the edge, where the path and the request are known. So does whatever else
//! answers with an error: axum's own rejections, a missing route, a panic.

mod kind;
mod respond;

use std::time::Duration;

use axum::response::{IntoResponse, Response};
use flotilla_core::{Error, ErrorKind};
use serde_json::{Map, Value};

pub(crate) use kind::Kind;
pub(crate) use respond::{ProblemDocument, RequestId, respond};

/// What went wrong, in words for the person who sent the request.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{}: {detail}", kind.slug())]
pub(crate) struct Problem {
    kind: Kind,
    detail: String,
    members: Map<String, Value>,
    retry_after: Option<Duration>,
}

impl Problem {
    pub(crate) fn new(kind: Kind, detail: impl Into<String>) -> Self {
        Self {
            kind,
            detail: detail.into(),
            members: Map::new(),
            retry_after: None,
        }
    }

    /// Adds a member to the document, for programs.
    pub(crate) fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.members.insert(name.to_owned(), value.into());
        self
    }

    /// Says when it makes sense to try again.
    pub(crate) fn retry_after(mut self, wait: Duration) -> Self {
        self.retry_after = Some(wait);
        self
    }

    /// Adds to what is said.
    pub(crate) fn adding(mut self, text: &str) -> Self {
        self.detail.push_str(text);
        self
    }

    /// What is said.
    pub(crate) fn detail(&self) -> &str {
        &self.detail
    }

    /// A member of the document.
    pub(crate) fn member(&self, name: &str) -> Option<&Value> {
        self.members.get(name)
    }

    pub(crate) fn kind(&self) -> Kind {
        self.kind
    }

    /// The client's connection broke. Nobody reads this.
    pub(crate) fn disconnected() -> Self {
        Self::new(
            Kind::TruncatedBody,
            "the connection broke before the body was complete; nothing was stored",
        )
    }

    /// Something that can't happen did.
    pub(crate) fn internal(what: &str) -> Self {
        tracing::error!("{what}");
        Self::new(
            Kind::Internal,
            "an error that is the server's own; its log says more under this request's id",
        )
    }
}

impl From<Error> for Problem {
    /// The operator gets the whole chain in the log; the client learns what to do, not what runs where.
    fn from(error: Error) -> Self {
        match error.kind() {
            ErrorKind::Unavailable => {
                tracing::warn!(error = error.chain(), "an engine is unavailable");
                Self::new(
                    Kind::Unavailable,
                    format!(
                        "{} does not answer or has no room at the moment; try again",
                        error.engine()
                    ),
                )
                .retry_after(error.wait().unwrap_or(Duration::from_secs(2)))
            }
            ErrorKind::Conflict => Self::new(Kind::Conflict, error.to_string()),
            ErrorKind::Misconfigured | ErrorKind::Corrupt => Self::internal(&error.chain()),
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = self.kind.status().into_response();
        response.extensions_mut().insert(self);
        response
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn kinds_have_names_of_their_own() {
        let slugs: HashSet<_> = Kind::ALL.iter().map(|kind| kind.slug()).collect();
        assert_eq!(slugs.len(), Kind::ALL.len());
        assert!(
            Kind::ALL
                .iter()
                .all(|kind| kind.status().is_client_error() || kind.status().is_server_error())
        );
    }

    #[test]
    fn the_manual_lists_every_kind() {
        let manual = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/http.md"));
        for kind in Kind::ALL {
            let row = format!("| {} | `{}` |", kind.status().as_u16(), kind.slug());
            assert!(manual.contains(&row), "{row} is not in docs/http.md");
        }
    }

    #[test]
    fn an_engine_that_is_away_is_not_described_to_clients() {
        let error = Error::unavailable("PostgreSQL", "10.1.2.3:5432 refused the connection");
        let problem = Problem::from(error);
        assert_eq!(problem.kind(), Kind::Unavailable);
        assert!(problem.retry_after.is_some() && !problem.detail.contains("10.1.2.3"));
    }
}

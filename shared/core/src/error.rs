//! The one error type of the ports.

use std::time::Duration;

/// What a port answers.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What a caller can do about an [`Error`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// The engine can't be reached or is overloaded: the same call may succeed later.
    Unavailable,
    /// The engine answered, and refused: wrong credentials, a missing queue or table, an unknown version.
    Misconfigured,
    /// The call contradicts the state: appending to a sealed batch, say.
    Conflict,
    /// What came back can't be understood: a row or a message that no version of Flotilla wrote.
    Corrupt,
}

/// A failed call to an engine.
///
/// `Display` is written for the operator: it names the engine and says what was attempted; the cause follows through
/// `source()`. It never contains payloads or credentials.
#[derive(Debug, thiserror::Error)]
#[error("{engine}: {message}")]
pub struct Error {
    kind: ErrorKind,
    engine: &'static str,
    message: String,
    retry_after: Option<Duration>,
    #[source]
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl Error {
    /// An error of `engine` ("PostgreSQL", "RabbitMQ", …).
    pub fn new(kind: ErrorKind, engine: &'static str, message: impl Into<String>) -> Self {
        Self {
            kind,
            engine,
            message: message.into(),
            retry_after: None,
            source: None,
        }
    }

    /// Shorthand for [`ErrorKind::Unavailable`].
    pub fn unavailable(engine: &'static str, message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Unavailable, engine, message)
    }

    /// Shorthand for [`ErrorKind::Misconfigured`].
    pub fn misconfigured(engine: &'static str, message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Misconfigured, engine, message)
    }

    /// Shorthand for [`ErrorKind::Conflict`].
    pub fn conflict(engine: &'static str, message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Conflict, engine, message)
    }

    /// Shorthand for [`ErrorKind::Corrupt`].
    pub fn corrupt(engine: &'static str, message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Corrupt, engine, message)
    }

    /// Adds the cause.
    #[must_use]
    pub fn because(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// Says when the engine asked to be tried again.
    #[must_use]
    pub fn retry_after(mut self, wait: Duration) -> Self {
        self.retry_after = Some(wait);
        self
    }

    /// What a caller can do about it.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// Which engine failed.
    #[must_use]
    pub fn engine(&self) -> &'static str {
        self.engine
    }

    /// How long to wait before the same call makes sense, if the engine said so.
    #[must_use]
    pub fn wait(&self) -> Option<Duration> {
        self.retry_after
    }

    /// True where the same call may succeed later.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        self.kind == ErrorKind::Unavailable
    }

    /// The message and every cause, on one line, for logs.
    #[must_use]
    pub fn chain(&self) -> String {
        let mut text = self.to_string();
        let mut cause = std::error::Error::source(self);
        while let Some(error) = cause {
            let next = error.to_string();
            // Many libraries repeat their cause in their own text.
            if !text.ends_with(&next) {
                text.push_str(": ");
                text.push_str(&next);
            }
            cause = error.source();
        }
        text
    }
}

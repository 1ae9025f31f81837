//! How patient the adapter is.

use std::time::Duration;

/// How long the adapter waits for what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// For a connection, with its handshake.
    pub connect: Duration,
    /// For the answer to a call.
    pub response: Duration,
    /// How long the listening connection may be silent before it is asked whether it still works.
    pub silence: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(2),
            response: Duration::from_secs(1),
            silence: Duration::from_secs(10),
        }
    }
}

impl Options {
    /// The most that a call may take: a connection may have to be made first.
    pub(crate) fn call(&self) -> Duration {
        self.connect + self.response
    }
}

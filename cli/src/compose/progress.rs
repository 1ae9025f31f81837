//! The live view: Redis or Valkey, or this process.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use flotilla_core::ports::Progress;
use flotilla_core::{Clock, Result};
use flotilla_embedded::progress::EmbeddedProgress;
use flotilla_redis::RedisProgress;
use url::Url;

use super::Place;
use super::scheme::{self, BadUrl};

const KNOWN: &str = "redis://user@host/0, rediss:// and embedded:";

/// `progress_url`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ProgressUrl {
    /// A server.
    Redis(Url),
    /// This process.
    Embedded,
}

impl FromStr for ProgressUrl {
    type Err = BadUrl;
    fn from_str(text: &str) -> std::result::Result<Self, BadUrl> {
        match scheme::split(text, KNOWN)? {
            ("redis" | "rediss" | "valkey" | "valkeys", _) => scheme::with_host(text).map(Self::Redis),
            ("embedded", _) => Ok(Self::Embedded),
            (given, _) => Err(BadUrl::Unknown {
                given: given.to_owned(),
                known: KNOWN,
            }),
        }
    }
}

impl fmt::Display for ProgressUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Redis(url) => f.write_str(&scheme::shown(url)),
            Self::Embedded => f.write_str("embedded:"),
        }
    }
}

impl Place for ProgressUrl {
    fn is_server(&self) -> bool {
        matches!(self, Self::Redis(_))
    }
}

impl ProgressUrl {
    /// Connects to it.
    pub(crate) fn connect(&self, clock: Arc<dyn Clock>) -> Result<Arc<dyn Progress>> {
        Ok(match self {
            Self::Redis(url) => Arc::new(RedisProgress::connect(url, flotilla_redis::Options::default())?),
            Self::Embedded => Arc::new(EmbeddedProgress::new(clock)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scheme_chooses_the_engine() {
        let progress = |text: &str| text.parse::<ProgressUrl>();
        assert_eq!(progress("embedded:"), Ok(ProgressUrl::Embedded));
        let redis = progress("rediss://u:p@cache:6379/1").unwrap();
        assert!(redis.is_server());
        assert_eq!(redis.to_string(), "rediss://cache:6379/1");
        let error = progress("memcached://cache").unwrap_err().to_string();
        assert!(
            error.contains("memcached") && error.contains("redis://"),
            "{error}"
        );
    }
}

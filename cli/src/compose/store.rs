//! The store: PostgreSQL or a SQLite file.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;

use flotilla_core::Result;
use flotilla_core::ports::Store;
use flotilla_postgres::{PostgresOptions, PostgresStore};
use flotilla_sqlite::SqliteStore;
use url::Url;

use super::Place;
use super::scheme::{self, BadUrl};

const KNOWN: &str = "postgres://user@host/database and sqlite://path/to/file.db";

/// `store_url`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum StoreUrl {
    /// A server.
    Postgres(Url),
    /// A file.
    Sqlite(PathBuf),
}

impl FromStr for StoreUrl {
    type Err = BadUrl;
    fn from_str(text: &str) -> std::result::Result<Self, BadUrl> {
        match scheme::split(text, KNOWN)? {
            ("postgres" | "postgresql", _) => scheme::with_host(text).map(Self::Postgres),
            ("sqlite", rest) => scheme::path(rest).map(Self::Sqlite),
            (given, _) => Err(BadUrl::Unknown {
                given: given.to_owned(),
                known: KNOWN,
            }),
        }
    }
}

impl fmt::Display for StoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Postgres(url) => f.write_str(&scheme::shown(url)),
            Self::Sqlite(path) => write!(f, "sqlite://{}", path.display()),
        }
    }
}

impl Place for StoreUrl {
    fn is_server(&self) -> bool {
        matches!(self, Self::Postgres(_))
    }
}

impl StoreUrl {
    /// Opens it. A file and its folder are created.
    pub(crate) fn connect(&self) -> Result<Arc<dyn Store>> {
        Ok(match self {
            Self::Postgres(url) => Arc::new(PostgresStore::connect(url, &PostgresOptions::default())?),
            Self::Sqlite(path) => Arc::new(SqliteStore::open(path)?),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scheme_chooses_the_engine() {
        let store = |text: &str| text.parse::<StoreUrl>();
        assert_eq!(
            store("sqlite://./data/f.db"),
            Ok(StoreUrl::Sqlite("./data/f.db".into()))
        );
        assert_eq!(
            store("sqlite:///var/f.db"),
            Ok(StoreUrl::Sqlite("/var/f.db".into()))
        );
        let postgres = store("postgresql://u:p@db/fleet").unwrap();
        assert!(postgres.is_server());
        assert_eq!(postgres.to_string(), "postgresql://db/fleet");
        let error = store("mysql://u:p@db/fleet").unwrap_err().to_string();
        assert!(error.contains("mysql") && error.contains("sqlite://"), "{error}");
        assert!(store("db/fleet").is_err() && store("postgres:").is_err() && store("sqlite:").is_err());
    }
}

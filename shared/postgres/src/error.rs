//! What goes wrong with PostgreSQL, in the words of the port: what it is called, what to do about it.

use std::error::Error as _;
use std::io;
use std::time::Duration;

use deadpool_postgres::{PoolError, TimeoutType};
use flotilla_core::{Error, ErrorKind};
use tokio_postgres::error::{DbError, SqlState};

/// The name of the engine in errors.
pub(crate) const ENGINE: &str = "PostgreSQL";

/// Why an operation ended early.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The server refused a statement, or the connection failed.
    Database(tokio_postgres::Error),
    /// No connection.
    Pool(PoolError),
    /// The call took too long.
    TimedOut(Duration),
    /// A row changed between reading and writing it: another transaction was faster.
    Raced,
    /// A row that no version of Flotilla wrote.
    Corrupt(String),
    /// The call contradicts the state.
    Conflict(String),
    /// The schema is not the one that this program needs.
    WrongSchema(String),
}

impl Failure {
    /// True where the transaction was rolled back because of another one: by itself it may well succeed.
    pub(crate) fn was_in_the_way(&self) -> bool {
        match self {
            Self::Database(error) => matches!(
                error.code(),
                Some(&(SqlState::T_R_DEADLOCK_DETECTED | SqlState::T_R_SERIALIZATION_FAILURE))
            ),
            Self::Raced => true,
            _ => false,
        }
    }

    /// The error that the caller of the port gets. `attempt` completes "cannot …", `place` says where.
    pub(crate) fn explain(self, attempt: &str, place: &str) -> Error {
        let what = format!("cannot {attempt} ({place})");
        match self {
            Self::Database(error) => explain_database(&what, error),
            Self::Pool(error) => explain_pool(&what, error),
            Self::TimedOut(limit) => Error::unavailable(
                ENGINE,
                format!("{what}: no answer within {} s", limit.as_secs_f64()),
            ),
            Self::Raced => Error::unavailable(ENGINE, format!("{what}: the batch kept changing meanwhile")),
            Self::Corrupt(detail) => Error::corrupt(ENGINE, format!("{what}: {detail}")),
            Self::Conflict(detail) => Error::conflict(ENGINE, detail),
            Self::WrongSchema(detail) => Error::misconfigured(ENGINE, format!("{what}: {detail}")),
        }
    }
}

impl From<tokio_postgres::Error> for Failure {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::Database(error)
    }
}

impl From<PoolError> for Failure {
    fn from(error: PoolError) -> Self {
        match error {
            PoolError::Backend(error) => Self::Database(error),
            other => Self::Pool(other),
        }
    }
}

/// What the server said, without the row that it said it about: that may hold payloads.
#[derive(Debug, thiserror::Error)]
#[error("{message} (SQLSTATE {code})")]
struct Refusal {
    message: String,
    code: String,
}

impl From<&DbError> for Refusal {
    fn from(error: &DbError) -> Self {
        Self {
            message: error.message().to_owned(),
            code: error.code().code().to_owned(),
        }
    }
}

fn explain_database(what: &str, error: tokio_postgres::Error) -> Error {
    let (kind, meaning) = meaning_of(&error);
    let explained = Error::new(kind, ENGINE, format!("{what}: {meaning}"));
    match error.as_db_error() {
        Some(refused) => explained.because(Refusal::from(refused)),
        None => explained.because(error),
    }
}

/// What it means for the caller, and what a person can do.
pub(crate) fn meaning_of(error: &tokio_postgres::Error) -> (ErrorKind, &'static str) {
    if let Some(code) = error.code() {
        return meaning_of_code(code.code());
    }
    match network_error(error) {
        Some(io) if io.kind() == io::ErrorKind::InvalidData => (
            ErrorKind::Misconfigured,
            "TLS failed: is the server's certificate signed by an authority that this machine or `sslrootcert` trusts?",
        ),
        Some(_) => (
            ErrorKind::Unavailable,
            "the server can't be reached: is it running there?",
        ),
        None if error.is_closed() => (ErrorKind::Unavailable, "the connection was closed"),
        None => (
            ErrorKind::Misconfigured,
            "client and server don't understand each other: check the URL",
        ),
    }
}

fn network_error(error: &tokio_postgres::Error) -> Option<&io::Error> {
    error.source().and_then(|source| source.downcast_ref())
}

/// The same for an SQLSTATE that the server sent.
fn meaning_of_code(code: &str) -> (ErrorKind, &'static str) {
    use ErrorKind::{Conflict, Corrupt, Misconfigured, Unavailable};
    match code {
        "53100" => (
            Unavailable,
            "the server's disk is full: make room, and it goes on by itself",
        ),
        "53200" => (Unavailable, "the server is out of memory"),
        "53300" => (
            Unavailable,
            "the server has no connection left: raise its max_connections or lower the pool size",
        ),
        "57014" => (Unavailable, "the server cancelled it, because it took too long"),
        "55P03" => (Unavailable, "another session held a lock for too long"),
        "25006" => (
            Unavailable,
            "the server is read-only: a standby, or a primary that was just demoted",
        ),
        "3D000" => (
            Misconfigured,
            "there is no such database: create it, or correct the URL",
        ),
        "XX000" => (Unavailable, "the server failed inside: look at its log"),
        "42P01" | "42703" | "3F000" => (
            Misconfigured,
            "the schema is missing or older than this program: run `flotilla migrate`",
        ),
        "42501" => (
            Misconfigured,
            "the user lacks a privilege: grant it, or use another user",
        ),
        code => match code.get(..2).unwrap_or_default() {
            "08" | "57" => (
                Unavailable,
                "the server is stopping, starting or closed the connection",
            ),
            "53" | "58" => (Unavailable, "the server lacks resources"),
            "40" | "25" => (Unavailable, "other transactions were in the way"),
            "28" => (
                Misconfigured,
                "the server refused the login: check user and password in the URL",
            ),
            "22" | "23" | "54" => (Conflict, "the server can't store such data"),
            "XX" => (Corrupt, "the server found its own data damaged: look at its log"),
            _ => (
                Misconfigured,
                "the server refused: do its version and schema fit this program?",
            ),
        },
    }
}

fn explain_pool(what: &str, error: PoolError) -> Error {
    let (kind, meaning) = match &error {
        PoolError::Timeout(TimeoutType::Wait) => (
            ErrorKind::Unavailable,
            "all connections are in use: raise the pool size if this happens often",
        ),
        PoolError::Timeout(_) => (
            ErrorKind::Unavailable,
            "the server did not accept a connection in time",
        ),
        PoolError::Closed => (ErrorKind::Unavailable, "this process is stopping"),
        _ => (ErrorKind::Unavailable, "no connection"),
    };
    Error::new(kind, ENGINE, format!("{what}: {meaning}")).because(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_a_kind() {
        for (code, kind) in [
            ("40P01", ErrorKind::Unavailable),
            ("53100", ErrorKind::Unavailable),
            ("53200", ErrorKind::Unavailable),
            ("53300", ErrorKind::Unavailable),
            ("58030", ErrorKind::Unavailable),
            ("57P01", ErrorKind::Unavailable),
            ("57014", ErrorKind::Unavailable),
            ("08006", ErrorKind::Unavailable),
            ("28P01", ErrorKind::Misconfigured),
            ("3D000", ErrorKind::Misconfigured),
            ("42P01", ErrorKind::Misconfigured),
            ("22021", ErrorKind::Conflict),
            ("XX000", ErrorKind::Unavailable),
            ("XX001", ErrorKind::Corrupt),
            ("0A000", ErrorKind::Misconfigured),
        ] {
            assert_eq!(meaning_of_code(code).0, kind, "{code}");
        }
    }

    #[test]
    fn an_error_says_what_where_and_what_to_do() {
        let error = Failure::TimedOut(Duration::from_secs(60)).explain("record outcomes", "db:5432/flotilla");
        assert_eq!(
            error.to_string(),
            "PostgreSQL: cannot record outcomes (db:5432/flotilla): no answer within 60 s"
        );
        assert!(error.is_transient());
    }
}

//! From what SQLite says to what a caller can do about it.

use std::fmt;
use std::path::Path;

use flotilla_core::batch::Forbidden;
use flotilla_core::{Error, ErrorKind};
use rusqlite::{ErrorCode, ffi};

/// How this engine is called in errors.
pub(crate) const ENGINE: &str = "SQLite";

/// What a verb answers, before it is known which file it was about.
pub(crate) type Done<T> = Result<T, Failure>;

/// Why a verb did not happen.
#[derive(Debug)]
pub(crate) enum Failure {
    /// SQLite said no.
    Sql(rusqlite::Error),
    /// The verb contradicts the state: why.
    Conflict(String),
    /// The schema is not the one that this program needs: why, and what to do.
    Schema(String),
    /// A value can't be written or read as JSON.
    Json(serde_json::Error),
    /// The verb panicked.
    Panicked,
}

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sql(error)
    }
}

impl From<Forbidden> for Failure {
    fn from(forbidden: Forbidden) -> Self {
        Self::Conflict(forbidden.to_string())
    }
}

impl From<serde_json::Error> for Failure {
    fn from(error: serde_json::Error) -> Self {
        Self::Json(error)
    }
}

impl Failure {
    /// The error of the port: what was attempted with which file, and why it did not work.
    pub(crate) fn about(self, attempted: &str, file: &Path) -> Error {
        let file = file.display();
        let said = |kind, why: &dyn fmt::Display| {
            Error::new(kind, ENGINE, format!("can't {attempted} in {file}: {why}"))
        };
        match self {
            Self::Sql(error) => {
                let (kind, why) = meaning(&error);
                said(kind, &why).because(error)
            }
            // A conflict is about the batch and shown to people who know of no file.
            Self::Conflict(why) => Error::conflict(ENGINE, why),
            Self::Schema(why) => said(ErrorKind::Misconfigured, &why),
            Self::Json(error) => {
                said(ErrorKind::Corrupt, &"a value is not the JSON that it should be").because(error)
            }
            Self::Panicked => said(
                ErrorKind::Unavailable,
                &"a bug ended the call; nothing was changed",
            ),
        }
    }
}

/// What a caller can do about an error, and what a person should know.
fn meaning(error: &rusqlite::Error) -> (ErrorKind, &'static str) {
    use ErrorKind::{Corrupt, Misconfigured, Unavailable};
    let Some(code) = error.sqlite_error_code() else {
        return match error {
            rusqlite::Error::InvalidPath(_) => (Misconfigured, "the path can't be used"),
            _ => (Corrupt, "a row is not as this version of Flotilla writes it"),
        };
    };
    match code {
        ErrorCode::DiskFull => (Unavailable, "the disk is full; make room and it goes on"),
        ErrorCode::SystemIoFailure => (Unavailable, "the disk failed to read or write"),
        ErrorCode::OutOfMemory => (Unavailable, "there is not enough memory"),
        ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => {
            (Unavailable, "another program has locked the file")
        }
        ErrorCode::OperationAborted | ErrorCode::OperationInterrupted => {
            (Unavailable, "the transaction was undone")
        }
        ErrorCode::DatabaseCorrupt => (Corrupt, "the file is damaged; restore it from a backup"),
        ErrorCode::NotADatabase => (Corrupt, "the file is not an SQLite database"),
        ErrorCode::ConstraintViolation => (Corrupt, "the change contradicts the rows that are there"),
        ErrorCode::CannotOpen => (
            Misconfigured,
            "the file can't be opened; check that its folder exists and is writable",
        ),
        ErrorCode::PermissionDenied | ErrorCode::ReadOnly => {
            (Misconfigured, "the file can't be written; check its permissions")
        }
        ErrorCode::Unknown | ErrorCode::SchemaChanged => (
            Misconfigured,
            "the schema is not the one this program needs; run `flotilla migrate`",
        ),
        _ => (Unavailable, "SQLite refused"),
    }
}

/// SQLite's errors can't be cloned, and sometimes several calls have one.
pub(crate) fn copy(error: &rusqlite::Error) -> rusqlite::Error {
    let code = error
        .sqlite_error()
        .map_or(ffi::SQLITE_ABORT, |error| error.extended_code);
    rusqlite::Error::SqliteFailure(ffi::Error::new(code), Some(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn about(code: i32) -> Error {
        let error = rusqlite::Error::SqliteFailure(ffi::Error::new(code), None);
        Failure::from(error).about("record outcomes", Path::new("/data/flotilla.db"))
    }

    #[test]
    fn errors_name_the_file_and_what_was_attempted() {
        let full = about(ffi::SQLITE_FULL);
        assert_eq!(
            full.to_string(),
            "SQLite: can't record outcomes in /data/flotilla.db: the disk is full; make room and it goes on"
        );
        assert!(full.is_transient());
    }

    #[test]
    fn kinds_follow_what_a_caller_can_do() {
        for (code, kind) in [
            (ffi::SQLITE_IOERR_FSYNC, ErrorKind::Unavailable),
            (ffi::SQLITE_BUSY, ErrorKind::Unavailable),
            (ffi::SQLITE_CORRUPT, ErrorKind::Corrupt),
            (ffi::SQLITE_NOTADB, ErrorKind::Corrupt),
            (ffi::SQLITE_READONLY, ErrorKind::Misconfigured),
            (ffi::SQLITE_ERROR, ErrorKind::Misconfigured),
        ] {
            assert_eq!(about(code).kind(), kind, "{code}");
        }
    }
}

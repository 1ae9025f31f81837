//! Text columns that have a meaning.

use std::str::FromStr;

use flotilla_core::Json;
use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ValueRef};

/// A text column that `T` reads from: a state, a name.
pub(crate) struct Text<T>(pub(crate) T);

impl<T> FromSql for Text<T>
where
    T: FromStr<Err: std::error::Error + Send + Sync + 'static>,
{
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        value.as_str()?.parse().map(Self).map_err(FromSqlError::other)
    }
}

/// A text column with JSON that is handed on as it is.
pub(crate) struct Raw(pub(crate) Json);

impl FromSql for Raw {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        Json::parse(value.as_str()?)
            .map(Self)
            .map_err(FromSqlError::other)
    }
}

//! Text columns that have a meaning.

use std::str::FromStr;

use flotilla_core::Json;
use rusqlite::Row;
use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, Type, ValueRef};
use serde::de::DeserializeOwned;

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

/// A text column with JSON that has a type.
pub(crate) fn json<T: DeserializeOwned>(row: &Row<'_>, column: &str) -> rusqlite::Result<T> {
    let not_ours = |error| rusqlite::Error::FromSqlConversionFailure(0, Type::Text, Box::new(error));
    let text = row.get_ref(column)?.as_str().map_err(not_ours)?;
    serde_json::from_str(text).map_err(|error| not_ours(FromSqlError::other(error)))
}

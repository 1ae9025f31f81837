//! How ids and times are written in columns.

use flotilla_core::ids::{BatchId, ItemIndex};
use jiff::Timestamp;
use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ToSql, ToSqlOutput, ValueRef};
use rusqlite::{Connection, Row};

/// The number of a batch: the upper half of the keys of its items.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Number(pub(crate) i64);

impl Number {
    /// The key of the item at `index`.
    pub(crate) fn key(self, index: ItemIndex) -> i64 {
        (self.0 << 32) | i64::from(index)
    }

    /// The key after that of the last item that the batch could have.
    pub(crate) fn end(self) -> i64 {
        (self.0 + 1) << 32
    }
}

/// The index in a key.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the lower half is the index"
)]
pub(crate) fn index_of(key: i64) -> ItemIndex {
    key as u32
}

/// The number of the batch in a key.
pub(crate) fn number_of(key: i64) -> i64 {
    key >> 32
}

impl ToSql for Number {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        self.0.to_sql()
    }
}

impl FromSql for Number {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        value.as_i64().map(Self)
    }
}

/// A batch's id as its 16 bytes, which sort like it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Id(pub(crate) BatchId);

impl ToSql for Id {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::from(self.0.0.as_bytes().as_slice()))
    }
}

impl FromSql for Id {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        let id = uuid::Uuid::from_slice(value.as_blob()?).map_err(FromSqlError::other)?;
        Ok(Self(BatchId(id)))
    }
}

/// A time as microseconds since 1970.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Micros(pub(crate) Timestamp);

impl ToSql for Micros {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(self.0.as_microsecond().into())
    }
}

impl FromSql for Micros {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        let time = Timestamp::from_microsecond(value.as_i64()?);
        time.map(Self).map_err(FromSqlError::other)
    }
}

/// A time that may be missing.
pub(crate) fn time(row: &Row<'_>, column: &str) -> rusqlite::Result<Option<Timestamp>> {
    let time: Option<Micros> = row.get(column)?;
    Ok(time.map(|Micros(time)| time))
}

/// What the database's clock shows: for what the port gives no time to.
pub(crate) fn database_now(db: &Connection) -> rusqlite::Result<Timestamp> {
    let sql = "SELECT CAST(unixepoch('subsec') * 1000000 AS INTEGER)";
    let Micros(now) = db.prepare_cached(sql)?.query_one([], |row| row.get(0))?;
    Ok(now)
}

/// A count that SQLite has no unsigned type for.
pub(crate) fn signed(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// Back from [`signed`].
pub(crate) fn unsigned(count: i64) -> u64 {
    u64::try_from(count).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_a_batch_are_a_range() {
        let number = Number(7);
        assert_eq!(index_of(number.key(u32::MAX)), u32::MAX);
        assert_eq!(number.key(u32::MAX) + 1, number.end());
        assert_eq!(number.end(), Number(8).key(0));
    }
}

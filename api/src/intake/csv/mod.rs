//! `text/csv` and its relatives: a row with names, then one item per row: an object with a field for every name.
//!
//! ```text
//! body ──▶ charset ──UTF-8──▶ delimiter ──▶ rows ──records──▶ table ──items──▶ chunker
//!          by mark or        by the first   bounded,          columns, mapping,
//!          declaration       record         with lines        types
//! ```

mod charset;
mod columns;
mod delimiter;
mod dialect;
mod mapping;
mod rows;
mod table;
#[cfg(test)]
mod tests;
mod types;

pub(crate) use dialect::Dialect;

use std::io::Read;

use csv::{ByteRecord, StringRecord};
use serde_json::Value as Schema;

use self::charset::Text;
use self::columns::Columns;
use self::rows::Rows;
use self::table::{Table, invalid};
use super::options::Shape;
use super::{Chunker, Options, read_failed};
use crate::problem::{Kind, Problem};

/// What to do about bytes that are not UTF-8.
const HINT: &str =
    "if it is what Excel writes as CSV, declare that: `Content-Type: text/csv; charset=windows-1252`";

/// Reads a whole body, which still has its byte order mark. The JSON Schema of an item, where there is one, says which
/// fields are more than texts.
pub(crate) fn parse(
    body: impl Read,
    dialect: &Dialect,
    options: &Options,
    chunker: &mut Chunker<'_>,
) -> Result<(), Problem> {
    let schema = match options.shape() {
        Shape::Schema(schema) => Some(schema.document()),
        _ => None,
    };
    let most = rows::longest(chunker.max_item_bytes());
    let text = Text::new(body, dialect.charset).map_err(read_failed)?;
    let (delimiter, text) = dialect.delimiter.find(text, most).map_err(read_failed)?;
    let mut rows = Rows::new(text, delimiter, most);
    let utf8 = |record| utf8(record, delimiter);
    let (mut table, mut record) = head(&mut rows, utf8, (dialect, schema), chunker)?;
    while rows.next(&mut record, chunker)? {
        let line = u32::try_from(rows.line_of(&record)).unwrap_or(u32::MAX);
        let (taken, rest) = match utf8(record) {
            Ok(row) => {
                let taken = match table.item(&row, chunker) {
                    Ok(item) => chunker.push(item, Some(line), options),
                    Err(problem) if problem.kind() == Kind::ItemTooLarge => Err(problem),
                    Err(problem) => {
                        chunker.malformed(problem, Some(line), row.as_byte_record().as_slice(), options)
                    }
                };
                (taken, row.into_byte_record())
            }
            Err((column, row)) => {
                let detail = format!("the field in column {column} is not UTF-8; {HINT}");
                let problem = invalid(chunker, &detail).with("column", column);
                (
                    chunker.malformed(problem, Some(line), row.as_slice(), options),
                    row,
                )
            }
        };
        taken.map_err(|problem| match problem.member("line") {
            Some(_) => problem,
            None => problem.with("line", line),
        })?;
        record = rest;
    }
    Ok(())
}

/// Reads the names of the columns. Answers the record too, whose memory the rows can have.
fn head(
    rows: &mut Rows<impl Read>,
    utf8: impl Fn(ByteRecord) -> Result<StringRecord, (usize, ByteRecord)>,
    (dialect, schema): (&Dialect, Option<&Schema>),
    chunker: &Chunker<'_>,
) -> Result<(Table, ByteRecord), Problem> {
    let mut record = ByteRecord::new();
    if !rows.next(&mut record, chunker)? {
        return Err(Problem::new(
            Kind::InvalidCsv,
            "the body is empty; the first row must have the names of the columns",
        )
        .with("line", 1));
    }
    let line = rows.line_of(&record);
    let names = utf8(record).map_err(|(column, _)| {
        let detail = format!("the name of column {column} is not UTF-8; {HINT}");
        Problem::new(Kind::InvalidCsv, detail)
            .with("line", line)
            .with("column", column)
    })?;
    let table = Table::new(&Columns::new(&names, line)?, &dialect.mapping, schema)?;
    Ok((table, names.into_byte_record()))
}

/// The record as texts, without a copy; the column, counted from 1, where one is none, and the record.
fn utf8(record: ByteRecord, delimiter: u8) -> Result<StringRecord, (usize, ByteRecord)> {
    // Split where nothing is to be split, at a byte that UTF-8 does not have.
    if delimiter == delimiter::NONE && record.len() > 1 {
        return Err((1, record));
    }
    StringRecord::from_byte_record(record)
        .map_err(|error| (error.utf8_error().field() + 1, error.into_byte_record()))
}
